"""Lays the operators' forms over what the file says about the breaker.

The file's layers are defaults < hosts < roles; the environment lies over all three of them, and the
command line over the environment. So a key that a form sets is taken out of the narrower layers
below it, and what is left is again one section of three layers.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from noggin_mp.settings import breaker_forms, policies, texts, values
from noggin_mp.settings.document import Document, KeyPath, Place

_NAMES: Mapping[str, tuple[str, ...]] = {
    key: (key, *(alias for alias, name in policies.ALIASES.items() if name == key))
    for key in policies.BreakerLayer.model_fields
}
"""Every name a key may stand under in the file."""


def hosts(data: Mapping[str, Any], *, base_url: str) -> list[str]:
    """The normal names of the hosts that the configuration names; `base_url` when it gives none."""
    api = data.get("api")
    url = api.get("base_url") if isinstance(api, Mapping) else None
    found = {}
    with contextlib.suppress(ValueError):  # its own fault is told at its own place
        found[texts.host_of(str(url or base_url))] = True
    for section in ("breaker", "pacing"):
        for written in _mapping(_mapping(data.get(section)).get("hosts")):
            with contextlib.suppress(ValueError):
                found[values.normal_host(str(written))] = True
    return list(found)


def lay(
    data: Mapping[str, Any], settings: Iterable[breaker_forms.Setting], document: Document
) -> dict[str, Any]:
    """`data` with the settings over it, in their order; `document` learns where they come from."""
    made = dict(data)
    for one in settings:
        if made.get("breaker") is not None and not isinstance(made["breaker"], Mapping):
            break  # no section at all: that is told by itself
        section = _copied(made.get("breaker"))
        if one.key != "disabled":
            for path in _below(section, one):
                _forget(section, path, document)
        if _set(section, _spelt(section, one), one.value):
            place = Place(file=one.origin)
            document.places[one.path] = document.keys[one.path] = place
        made["breaker"] = section
    return made


def _copied(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return {} if value is None else value
    return {
        key: _copied(item) if isinstance(item, Mapping) else item for key, item in value.items()
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _below(section: Mapping[str, Any], one: breaker_forms.Setting) -> Iterator[KeyPath]:
    """The paths, within the section, at which the file sets the same key for the same requests."""
    if one.host is None:
        yield from (("defaults", name) for name in _NAMES[one.key])
    for host in _mapping(section.get("hosts")):
        if one.host is not None and _normal(host) != one.host:
            continue
        here: KeyPath = ("hosts", host)
        if one.role is None:
            yield from ((*here, name) for name in _NAMES[one.key])
        for role in breaker_forms.ROLES if one.role is None else (one.role,):
            yield from ((*here, "roles", role, name) for name in _NAMES[one.key])


def _forget(section: dict[str, Any], path: KeyPath, document: Document) -> None:
    """Take the key at `path` out, and its place, under the host's written and its normal name."""
    inner: Any = section
    for part in path[:-1]:
        inner = inner.get(part) if isinstance(inner, dict) else None
    if isinstance(inner, dict):
        inner.pop(path[-1], None)
    full: KeyPath = ("breaker", *path)
    aliases = (
        {full, (*full[:2], _normal(str(full[2])), *full[3:])} if path[0] == "hosts" else {full}
    )
    for known in aliases:
        document.places.pop(known, None)
        document.keys.pop(known, None)


def _spelt(section: Mapping[str, Any], one: breaker_forms.Setting) -> KeyPath:
    """The setting's path within the section, its host spelt as the file spells it."""
    path = one.path[1:]
    if one.host is None:
        return path
    written = _mapping(section.get("hosts"))
    host = next((host for host in written if _normal(host) == one.host), one.host)
    return ("hosts", host, *path[2:])


def _set(section: dict[str, Any], path: KeyPath, value: Any) -> bool:
    """True when the value could be set: what stands in its way is no section otherwise."""
    inner = section
    for part in path[:-1]:
        if inner.get(str(part)) is None:
            inner[str(part)] = {}
        inner = inner[str(part)]
        if not isinstance(inner, dict):
            return False
    inner[str(path[-1])] = value
    return True


def _normal(host: str) -> str:
    try:
        return values.normal_host(str(host))
    except ValueError:
        return str(host)
