"""What differs between two configurations, key by key, and what a reload would do about it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import SecretStr

from noggin_mp.settings import effective, liveness, schema
from noggin_mp.settings.document import KeyPath
from noggin_mp.settings.expand import dotted

Liveness = liveness.Liveness
UNSET = "(inherited)"
TYPES = ("object_types", "files")
"""The path of what is no key: what the files of object types say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One key's value as it may be shown, and a mark that tells one value from another."""

    path: tuple[str, ...]
    shown: Any
    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One key that differs: its name, both values without secrets, and what a reload does."""

    key: str
    old: Any
    new: Any
    how: Liveness

    def __str__(self) -> str:
        return f"{self.key}: {text(self.old)} -> {text(self.new)} ({self.how})"


Facts = Mapping[str, Fact]


def facts(settings: schema.Settings, *, salt: str, digits: int = 64) -> dict[str, Fact]:
    """Every key by its dotted name. Few `digits` of a mark give nothing away of a password."""
    found = {}
    for path, value in effective.leaves(settings):
        if value == {}:  # no host has a layer
            continue
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        name = tuple(str(part) for part in path)
        shown = effective.plain(path, value)
        found[dotted(path)] = Fact(path=name, shown=shown, mark=_mark(salt, plain)[:digits])
    if settings.types is not None:  # what is in the files of `object_types`
        mark = _mark(salt, settings.types)
        shown = f"{len(settings.types.types)} types, {mark[:8]}"
        found[dotted(TYPES)] = Fact(path=TYPES, shown=shown, mark=mark[:digits])
    return found


def _mark(salt: str, value: object) -> str:
    return hashlib.sha256(f"{salt}\0{value!r}".encode()).hexdigest()


def changes(old: Facts, new: Facts) -> tuple[Change, ...]:
    """What differs, in the order of the schema; a host's layer may name a key in one of them."""
    found = []
    for name in (*new, *(name for name in old if name not in new)):
        before, after = old.get(name), new.get(name)
        known = after or before
        if known is None or (before and after and before.mark == after.mark):
            continue
        found.append(
            Change(
                key=name,
                old=before.shown if before else UNSET,
                new=after.shown if after else UNSET,
                how=how(known.path),
            )
        )
    return tuple(found)


def how(path: KeyPath) -> Liveness:
    """What a reload does about a key; one that no version here knows needs new processes."""
    try:
        return liveness.of(path)
    except LookupError:
        return Liveness.ROLLED


def whole(found: Iterable[Change]) -> Liveness | None:
    """What a reload with all these changes does; None when there is none."""
    kinds = {change.how for change in found}
    return next((kind for kind in reversed(Liveness) if kind in kinds), None)


def to_json(known: Facts) -> dict[str, Any]:
    """Facts as plain data."""
    return {name: asdict(fact) for name, fact in known.items()}


def from_json(told: Mapping[str, Any]) -> dict[str, Fact]:
    """What `to_json` made."""
    return {
        name: Fact(path=tuple(one["path"]), shown=one["shown"], mark=one["mark"])
        for name, one in told.items()
    }


def text(value: Any) -> str:
    """A value as it would be written."""
    return value if value == UNSET else json.dumps(value, ensure_ascii=False)
