"""Whatever the loader takes, in any case and any form, the JSON Schema takes too, key by key."""

import itertools
import json
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from noggin_mp.domain import errors, notices
from noggin_mp.settings import loader, policies, reference, schema, tree
from tests.support import json_schema

MADE = reference.json_schema()
KEYS = dict(tree.walk())
ALIASED = {
    (*path[:-1], alias): KEYS[path]
    for path, (alias, name) in itertools.product(KEYS, policies.ALIASES.items())
    if path[0] == "breaker" and path[-1] == name
}
POOL: tuple[Any, ...] = (
    None, True, False, [], "", " ", "off", "Off", "OFF", " off ", "none", "date", "Type ",
    0, 1, 3, 25, 100, 9109, 0.0, 0.5, 1.0, 2.5, 1e9, -1, -0.5,
    "500 MB", "1gib", " 2 Kib ", "7b", "1.5 tb", "10/s", " 10 / s , 1000/H ", "10/s,,", ",",
    "sha256", ["sha256"], ["SHA256"], [" Md5 ", "sha256"],
    "a@b.c", "Ann <a@b.c>", ["a@b.c"], "a@b.c, d@e.f", [None], [1],
    "https://a.example", " https://a.example/ ", "a.example", "extract-1", "x", "~", "/srv/x",
    "postgresql://u@h/d", "host=h", "127.0.0.1:0", "[::1]:9109", "*:80", "noggin_1",
    "{base_url}/f?{tip}", "{{ record.tip }}", "UTC", "prog --flag 'a b'",
)  # fmt: skip
"""Tried on every key; those of choices get their words in all cases besides."""


def choices(info: FieldInfo) -> Iterator[str]:
    """Every word that a key chooses from, also inside a list."""
    for part in (info.annotation, *typing.get_args(info.annotation)):
        for inner in (part, *typing.get_args(part)):
            if typing.get_origin(inner) is typing.Literal:
                yield from typing.get_args(inner)


def samples(path: tuple[str, ...], info: FieldInfo) -> Iterator[Any]:
    yield from POOL
    words = {*choices(info), *(notices.KINDS if path == ("notify", "on") else ())}
    for word in sorted(words):
        for form in (word, word.upper(), word.title(), f" {word} ", f"\t{word.upper()}\n"):
            yield from (form, [form], [form, "sha256"], f"{form},{word}")


def nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for part in reversed(path):
        value = {"a.example" if part == tree.HOSTS else part: value}
    return typing.cast("dict[str, Any]", value)


def takes(data: dict[str, Any]) -> bool:
    """True when the loader takes a key by itself; what it says of several keys is left out."""
    try:
        schema.Settings.model_validate(data)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("path", [*KEYS, *ALIASED], ids=".".join)
def test_schema_takes_every_form_of_a_key_that_the_loader_takes(path: tuple[str, ...]) -> None:
    info = KEYS.get(path) or ALIASED[path]
    taken = [value for value in samples(path, info) if takes(nested(path, value))]
    assert taken
    refused = [
        value for value in taken
        if not json_schema.fits(nested(path, value), MADE, MADE["$defs"])
    ]  # fmt: skip
    assert refused == []


@pytest.mark.parametrize("path", [*KEYS, *ALIASED], ids=".".join)
def test_schema_refuses_numbers_and_words_that_the_loader_refuses(path: tuple[str, ...]) -> None:
    info = KEYS.get(path) or ALIASED[path]
    words = [f"{word}s" for word in choices(info)]
    refused = [value for value in [0, -1, 10**18, *words] if not takes(nested(path, value))]
    taken = [
        value for value in refused if json_schema.fits(nested(path, value), MADE, MADE["$defs"])
    ]
    assert taken == []


@pytest.mark.parametrize("key", list(schema.Settings.model_fields))
def test_schema_takes_a_section_in_which_nothing_is_written(key: str) -> None:
    assert takes({key: None}) is json_schema.fits({key: None}, MADE, MADE["$defs"])


@pytest.mark.parametrize("data", [None, {}])
def test_schema_takes_a_file_in_which_nothing_is_written(data: Any) -> None:
    assert takes(data)
    assert json_schema.fits(data, MADE, MADE["$defs"])


@pytest.mark.parametrize("path", [path for path in KEYS if tree.HOSTS not in path], ids=".".join)
def test_schema_takes_a_reference_wherever_the_loader_does(path: tuple[str, ...]) -> None:
    data = nested(path, "${NOWHERE:-}")
    try:
        loader.read_again({"n.yaml": json.dumps(data)}, env={})
    except errors.ConfigError:
        return
    assert json_schema.fits(data, MADE, MADE["$defs"])


def test_schema_is_written_in_words_that_editors_know() -> None:
    def unknown(rule: Any) -> Iterator[str]:
        yield from set(rule) - json_schema.KEYWORDS
        inner = [*rule.get("anyOf", ()), *rule.get("properties", {}).values()]
        inner += [*rule.get("$defs", {}).values()]
        inner += [rule[key] for key in ("items", "additionalProperties") if rule.get(key)]
        for one in inner:
            yield from unknown(one)

    assert sorted(set(unknown(MADE))) == []
