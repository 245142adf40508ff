"""The settings in effect, key by key, without secrets, each with where it comes from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from noggin_mp.domain import redaction
from noggin_mp.settings import faults, schema
from noggin_mp.settings.document import KeyPath
from noggin_mp.settings.expand import dotted
from noggin_mp.settings.loader import Loaded

DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One key: its path, its value as it may be shown, and `file:line:column` or `default`."""

    path: KeyPath
    value: Any
    origin: str

    @property
    def name(self) -> str:
        """The dotted key."""
        return dotted(self.path)


def values(loaded: Loaded) -> list[Value]:
    """Every key in the order of the schema; layers of hosts show what they name."""
    file = str(loaded.file or "")
    places = faults.Places(file=file, keys={}, values=loaded.origins)
    return [
        Value(path=path, value=value, origin=str(places.given(path) or DEFAULT))
        for path, value in shown(loaded.settings)
    ]


def leaves(settings: schema.Settings) -> Iterator[tuple[KeyPath, Any]]:
    """Every key in the order of the schema with its value as it is, secrets included."""
    yield from _leaves(settings, ())


def shown(settings: schema.Settings) -> Iterator[tuple[KeyPath, Any]]:
    """Every key in the order of the schema with its value as it may be shown."""
    for path, value in leaves(settings):
        yield path, plain(path, value)


def nested(found: list[Value]) -> dict[str, Any]:
    """The values as sections within sections."""
    whole: dict[str, Any] = {}
    for one in found:
        section = whole
        for part in one.path[:-1]:
            section = section.setdefault(str(part), {})
        section[str(one.path[-1])] = one.value
    return whole


def text(found: list[Value], *, origins: bool) -> str:
    """The values as YAML; with `origins` a comment behind each says where it comes from."""
    notes = {one.path: one.origin for one in found} if origins else {}
    lines = list(_lines(nested(found), (), notes))
    width = max((len(line) for line, note in lines if note), default=0)
    return "\n".join(f"{line:<{width}}  # {note}" if note else line for line, note in lines)


def _lines(
    section: Mapping[str, Any], path: KeyPath, notes: Mapping[KeyPath, str]
) -> Iterator[tuple[str, str]]:
    indent = "  " * len(path)
    for name, value in section.items():
        here = (*path, name)
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}:", ""
            yield from _lines(value, here, notes)
        else:
            yield f"{indent}{name}: {json.dumps(value, ensure_ascii=False)}", notes.get(here, "")


def _leaves(
    section: BaseModel, path: KeyPath, *, named_only: bool = False
) -> Iterator[tuple[KeyPath, Any]]:
    for name, info in type(section).model_fields.items():
        if named_only and name not in section.model_fields_set:
            continue
        here, value = (*path, info.alias or name), getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, here, named_only=named_only)
        elif isinstance(value, dict) and value:
            for host, layer in value.items():
                yield from _leaves(layer, (*here, host), named_only=True)
        else:
            yield here, value


def plain(path: KeyPath, value: Any) -> Any:
    """A key's value as it may be shown: without secrets, as plain data."""
    if isinstance(value, SecretStr) or (faults.is_secret(path) and value is not None):
        return redaction.MASK
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str | Path):
        return redaction.scrub(str(value))
    return value
