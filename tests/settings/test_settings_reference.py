"""The shipped noggin.yaml, the reference page and the JSON Schema say what the schema says."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import noggin_mp
from noggin_mp import resources
from noggin_mp.domain import errors
from noggin_mp.settings import effective, loader, policies, reference, schema, tree
from tests.support import json_schema

SHIPPED = resources.folder("config") / "noggin.yaml"
PAGE = Path(noggin_mp.__file__).parents[1] / "docs/reference/configuration.md"


def test_shipped_file_loads_and_equals_the_defaults() -> None:
    loaded = loader.read(SHIPPED, env={})

    shown = {value.name: value.value for value in effective.values(loaded)}
    defaults = loader.Loaded(settings=schema.Settings(), file=None, files=(), origins={}, notes=())
    assert shown == {value.name: value.value for value in effective.values(defaults)}
    assert loaded.settings == schema.Settings()


def test_shipped_file_names_every_key() -> None:
    origins = loader.read(SHIPPED, env={}).origins

    given = {".".join(str(part) for part in path) for path in origins}
    assert set(tree.names()) <= given


def keys(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield from keys(value)


def test_shipped_file_explains_every_key() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)

    found = list(keys(root))

    bare = [
        key.value for key in found if not lines[key.start_mark.line - 1].lstrip().startswith("#")
    ]
    assert bare == []
    assert len(found) >= len(tree.names())


def test_reference_page_is_the_generated_one() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference.markdown(), (
        "run: noggin-mp config schema --markdown > docs/reference/configuration.md"
    )


def test_reference_page_has_a_row_for_every_key() -> None:
    page = reference.markdown()

    for path, info in tree.walk():
        assert f"| `{path[-1]}` |" in page
        assert info.description, path


def test_json_schema_knows_every_key_and_alias() -> None:
    made = reference.json_schema()

    sections = {**made["$defs"], "Settings": made}
    for path, _ in tree.walk():
        assert any(path[-1] in one.get("properties", {}) for one in sections.values()), path
    assert set(policies.ALIASES) <= set(sections["BreakerHost"]["properties"])
    closed = [one["additionalProperties"] for one in sections.values() if "properties" in one]
    assert closed == [False] * len(closed)


def test_json_schema_allows_expansions_where_numbers_are_wanted() -> None:
    workers = reference.json_schema()["$defs"]["Fleet"]["properties"]["workers"]

    assert workers["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 512}
    assert workers["anyOf"][1]["type"] == "string"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (SHIPPED.read_text(encoding="utf-8"), True),
        ("attachments: {max_bytes: 500 MB, min_free_bytes: 1GiB}\nlog: {max_bytes: 1.5 gb}", True),
        ("fleet:\napi: {namespace: , token: }\nbreaker: {defaults: , hosts: {h.x: }}", True),
        ("pacing: {defaults: {rate: off, max_concurrent: off}}\nmonitor: {bind: off}", True),
        ("breaker: {defaults: {slow_call_s: off, reset: 3}, hosts: {h: {roles: {media: }}}}", True),
        ("fleet: {workers: '${N:-3}', threads: 3}\npacing: {hosts: {h: {rate: 10/s}}}", True),
        ("attachments: {max_bytes: 5 apples}", False),
        ("attachments: {max_bytes: x 500 MB}", False),
        ("fleet: {workers: 0}", False),
        ("fleet: {wokers: 1}", False),
        ("breaker: {disabled: 1}", False),
        ("breaker: {hosts: {h.x: {roles: {web: {}}}}}", False),
    ],
)
def test_json_schema_and_loader_agree_on_what_is_valid(
    text: str, valid: bool, tmp_path: Path
) -> None:
    made = reference.json_schema()
    file = tmp_path / "n.yaml"
    file.write_text(text, encoding="utf-8")

    # Read as most programs do, by YAML 1.1: a bare off is false there.
    assert json_schema.fits(yaml.safe_load(text), made, made["$defs"]) is valid
    refusal = contextlib.nullcontext() if valid else pytest.raises(errors.ConfigError)
    with refusal:
        loader.load(file, env={})
