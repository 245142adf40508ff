"""Whether the hosts of a fleet go by one policy: what each tells goes in, what differs comes out.

The breaker and the rates are shared by all of them, the files that say how are not.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

REMEDY: Final = "make their files equal, then run noggin-mp fleet reload --all"

_ROLES: Final = ("api", "media")
_MOST_KEYS: Final = 8
_MOST_HOSTS: Final = 4
_MOST_CHARS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A key that hosts have different values for, by host; `scope` as the breaker's scopes."""

    scope: str
    key: str
    values: Mapping[str, Any]


def told(api_host: str, *, api: Mapping[str, Any], media: Mapping[str, Any]) -> dict[str, Any]:
    """What a host tells of its policy for `api_host`: every key, and what media has otherwise."""
    other = {key: value for key, value in media.items() if key not in api or api[key] != value}
    return {"of": api_host, "api": dict(api), "media": other}


def differences(policies: Mapping[str, object]) -> list[Difference]:
    """What differs between hosts, of what each has `told`, by scope and key.

    Hosts that work with different APIs share nothing; a key that a host does not tell, being of
    another version, and whatever is no policy at all, is passed over.
    """
    found: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for host, policy in sorted(policies.items()):
        for api_host, role, key, value in _read(policy):
            found[api_host, key].setdefault(role, {})[host] = value
    differing = []
    for (api_host, key), by_role in found.items():
        roles = [role for role in by_role if len({text(one) for one in by_role[role].values()}) > 1]
        if len(roles) == len(_ROLES) and by_role[_ROLES[0]] == by_role[_ROLES[1]]:
            differing.append(Difference(scope=api_host, key=key, values=by_role[roles[0]]))
        else:
            differing += [
                Difference(scope=f"{api_host}:{role}", key=key, values=by_role[role])
                for role in roles
            ]
    return sorted(differing, key=lambda one: (one.scope, one.key))


def _read(policy: object) -> Iterator[tuple[str, str, str, Any]]:
    """API host, role, key and value of all that a host tells; nothing of what is malformed."""
    if not isinstance(policy, Mapping):
        return
    api, media = (policy.get(role) for role in _ROLES)
    if not isinstance(api, Mapping) or not isinstance(media, Mapping):
        return
    for role, values in zip(_ROLES, (api, {**api, **media}), strict=True):
        for key, value in values.items():
            yield text(policy.get("of")), role, text(key), value


def sentence(found: Sequence[Difference]) -> str:
    """All that differs, for people: which keys, and which hosts have which value of each."""
    shown = itertools.groupby(found[:_MOST_KEYS], key=lambda one: one.scope)
    parts = [f"at {scope}: {', '.join(_values(one) for one in group)}" for scope, group in shown]
    if len(found) > _MOST_KEYS:
        parts.append(f"and {len(found) - _MOST_KEYS} more, see noggin-mp fleet status --json")
    return f"hosts go by different policies {'; '.join(parts)}"


def _values(one: Difference) -> str:
    """A key with its values, each behind the hosts that have it, the most common value first."""
    by_value = defaultdict(list)
    for host, value in one.values.items():
        by_value[text(value)].append(host)
    groups = sorted(by_value.items(), key=lambda group: -len(group[1]))
    return f"{one.key} ({'; '.join(f'{_hosts(hosts)}: {value}' for value, hosts in groups)})"


def _hosts(hosts: Sequence[str]) -> str:
    named = ", ".join(hosts[:_MOST_HOSTS])
    more = len(hosts) - _MOST_HOSTS
    return f"{named} and {more} more" if more > 0 else named


def text(value: object) -> str:
    """A value as a file would have it, on one line; 60 and 60.0 are one value."""
    if value is None:
        return "off"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    said = "".join(char if char.isprintable() else " " for char in str(value))
    return said if len(said) <= _MOST_CHARS else f"{said[: _MOST_CHARS - 3]}..."
