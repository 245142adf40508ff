"""The reference of every key: JSON Schema for editors, Markdown for people."""

import json
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from noggin_mp.settings import liveness, policies, schema, tree

_TITLE = "noggin_mp configuration"

_BOUNDS = {
    "gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"
}  # fmt: skip
"""pydantic's names of bounds, and those of JSON Schema."""

INTRODUCTION = """\
# Configuration reference

Made from the schema by `noggin-mp config schema --markdown`; a test keeps the two equal.
`config/noggin.yaml` holds every key with its default.

## Where it is read from

The first of: `-c FILE`, the file that `NOGGIN_CONFIG` names, `config/noggin.yaml`,
`/etc/noggin-mp/noggin.yaml`. With none of them everything is a default. Files in the folder
`conf.d/` beside the file, `*.yaml` in name order, are laid over it key by key; a list is replaced
whole. Hidden files (`.#name.yaml`) are passed over.

## The language

| written | means |
|---|---|
| `${NAME}` | the environment variable NAME (upper case); an error when it is unset or empty |
| `${NAME:-text}` | the same, or `text` when it is unset or empty; `text` may hold `${...}` too |
| `${section.key}` | another key of the configuration (lower case), with its default if not given |
| `$${` | a plain `${` |

Booleans are `true` and `false` only. Durations are plain numbers of seconds. Sizes are numbers of
bytes, or text like `500 MB` (powers of 1000) or `1 GiB` (powers of 1024). Relative paths start at
the working directory.

`noggin-mp config check` tells every fault at once, `config show -v` what is in effect and where it
comes from, `config schema` prints a JSON Schema for editors.

## The token

One of `api.token`, `api.token_file` and `api.token_command`. No variable is read for it by itself:
write `token: ${NOGGIN_TOKEN}`. Keep secrets out of the file: prefer `token_file` with mode 0600,
which is looked at each second. `token_command` is a program with its arguments, run without a shell
for ten seconds at most and asked again each minute; what it prints is the token. With none of the
three, the systemd credential called `token` (`LoadCredential=token:...`) is taken. White space
around the token is dropped.

## What a reload does

`noggin-mp config reload`, or the signal HUP, has a running fleet read all of it again. The last
column of the tables says what becomes of a changed key: `live`, the running processes take it
over; `rolled`, workers are replaced one after another; `restart`, a reload refuses it. See
[how to change the configuration](../how-to/change-the-configuration.md).

## Layers of breaker and pacing

`defaults` < `hosts.<host>` < `hosts.<host>.roles.<role>`; the roles are `api` (objects) and `media`
(attachments). What a layer does not name, it inherits. Over the breaker's layers lie variables
(`NOGGIN_BREAKER_DEFAULTS` and its like) and options (`--breaker` and its like): see
[the breaker's reference](breaker.md).
"""


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the configuration file."""
    made = schema.Settings.model_json_schema(by_alias=True)
    _bounded(made)
    layers = [name for name in made["$defs"] if name in ("BreakerLayer", "BreakerHost")]
    for name in layers:
        properties = made["$defs"][name]["properties"]
        for alias, field in policies.ALIASES.items():
            properties[alias] = properties[field] | {"title": f"Alias of {field}"}
    for model in (made, *made["$defs"].values()):
        properties = model.get("properties", {})
        for key, takes in properties.items():
            properties[key] = _or_nothing(_or_expansion(_in_any_case(takes)))
    made |= {"title": _TITLE, "type": ["object", "null"]}  # a file may be empty
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def _bounded(made: dict[str, Any]) -> None:
    """Give each number its bounds, which pydantic loses on the way through a validator of ours."""
    for model in tree.sections():
        properties = made["$defs"].get(model.__name__, made)["properties"]
        for name, info in model.model_fields.items():
            takes = properties[info.alias or name]
            for pydantics in _BOUNDS:
                takes.pop(pydantics, None)
            for one in takes.get("anyOf", [takes]):
                if one.get("type") in ("number", "integer"):
                    one.update(_bounds(info))


def _bounds(info: FieldInfo) -> dict[str, float]:
    found = ((name, getattr(part, name, None)) for part in info.metadata for name in _BOUNDS)
    return {_BOUNDS[name]: limit for name, limit in found if limit is not None}


def _in_any_case(takes: dict[str, Any]) -> dict[str, Any]:
    """What a key takes, with its words also in capitals and with spaces around, as they are read.

    The plain words stay, for editors to offer.
    """
    if "items" in takes:
        return takes | {"items": _in_any_case(takes["items"])}
    if "anyOf" in takes:
        return takes | {"anyOf": [_in_any_case(one) for one in takes["anyOf"]]}
    words = [word for word in takes.get("enum", ()) if isinstance(word, str)]
    if not words:
        return takes
    either = "|".join(_letters(word) for word in words)
    rest = {key: value for key, value in takes.items() if key not in ("type", "enum")}
    pattern = {"type": "string", "pattern": rf"^\s*({either})\s*$"}
    return rest | {"anyOf": [{"enum": takes["enum"]}, pattern]}


def _letters(word: str) -> str:
    """A pattern for a word in any case: patterns of JSON Schema know no flags."""
    return "".join(f"[{one}{one.upper()}]" if one.isalpha() else re.escape(one) for one in word)


def _or_expansion(takes: dict[str, Any]) -> dict[str, Any]:
    """What a key takes, or text with `${...}` in it where plain text would not do."""
    kinds = ("type", "enum", "anyOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    narrow = {key: takes[key] for key in kinds if key in takes}
    if not narrow or narrow.get("type") in ("object", "array") or narrow == {"type": "string"}:
        return takes
    rest = {key: value for key, value in takes.items() if key not in narrow}
    return rest | {"anyOf": [narrow, {"type": "string", "pattern": r"\$\{"}]}


def _or_nothing(takes: dict[str, Any]) -> dict[str, Any]:
    """What a key takes, or no value at all where that means the default: `fleet:`, `namespace:`."""
    nothing = {"type": "null"}
    if "$ref" in takes:
        rest = {key: value for key, value in takes.items() if key != "$ref"}
        return rest | {"anyOf": [{"$ref": takes["$ref"]}, nothing]}
    if takes.get("type") == "object":
        inner = {"anyOf": [takes["additionalProperties"], nothing]}
        return takes | {"type": ["object", "null"], "additionalProperties": inner}
    if takes.get("type") == "string" and takes.get("default") == "":
        return takes | {"type": ["string", "null"]}
    return takes


def markdown() -> str:
    """The reference for people, as Markdown."""
    return "\n".join([INTRODUCTION, "## Every key", *_tables()]) + "\n"


def _tables() -> Iterator[str]:
    section = None
    for path, info in tree.walk():
        if tree.HOSTS in path:
            continue
        here = ".".join(path[:-1])
        if here != section:
            section = here
            yield from ("", f"### {here or 'Top level'}", "")
            if here and "." not in here:
                yield f"{schema.Settings.model_fields[here].description}\n"
            yield "| key | default | takes | meaning | reload |"
            yield "|---|---|---|---|---|"
        cells = (_default(info), _takes(info), _cell(info.description), liveness.of(path))
        yield f"| `{path[-1]}` | {' | '.join(cells)} |"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def _default(info: FieldInfo) -> str:
    value = info.default
    if value is None:
        return "none"
    if value == "":
        return "empty"
    if isinstance(value, Path):
        value = str(value)
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _takes(info: FieldInfo) -> str:
    kind = _kind(info.annotation)
    bounds = [_bound(part) for part in info.metadata]
    return ", ".join([kind, *(bound for bound in bounds if bound)])


def _bound(part: object) -> str:
    words = (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))
    for name, word in words:
        limit = getattr(part, name, None)
        if limit is not None:
            return f"{word} {limit:,}" if isinstance(limit, int) else f"{word} {limit:g}"
    return ""


def _kind(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in typing.get_args(annotation))
    if typing.get_origin(annotation) is list:
        return "a list"
    inner = [part for part in typing.get_args(annotation) if part is not type(None)]
    if inner:
        return f"{_kind(inner[0])} or none"
    names = {bool: "true or false", int: "whole number", float: "number", Path: "path"}
    return names.get(annotation, "text")
