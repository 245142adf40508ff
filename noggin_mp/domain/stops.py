"""How long something stood still: the breaker's events become spans of time, cut to a period."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """Why nothing was asked: tripped, by hand, throttled, token refused, whole fleet by hand."""

    OPEN = "open"
    FORCED = "forced_open"
    PAUSED = "paused"
    AUTH_STOP = "auth_stop"
    FLEET_PAUSE = "fleet_pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of a scope's state; `seconds` is how long it lasts unless something ends it."""

    scope: str
    at: datetime
    type: str
    state: str | None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """How often a scope was stopped in one way within the period, and for how long in all."""

    scope: str
    kind: Kind
    times: int
    seconds: float


_TRIGGERS: Final[Mapping[str, Kind]] = {
    "trip": Kind.OPEN,
    "force": Kind.FORCED,
    "pause": Kind.PAUSED,
    "auth_stop": Kind.AUTH_STOP,
    "fleet pause": Kind.FLEET_PAUSE,
}
_OPEN: Final = frozenset({"open", "half_open"})


def stops(events: Iterable[Event], start: datetime, end: datetime) -> list[Stop]:
    """What `events` say of the time from `start` to `end`, by scope and kind, the longest first.

    `events` are in the order they happened in and may begin before `start`: what holds at `start`
    follows from the last one of each scope. A state without an end lasts until `end`, which must
    not lie in the future.
    """
    by_scope: dict[str, list[Event]] = {}
    for event in events:
        by_scope.setdefault(event.scope, []).append(event)
    times: dict[tuple[str, Kind], int] = {}
    lasted: dict[tuple[str, Kind], float] = {}
    for scope, changes in by_scope.items():
        kind: Kind | None = None
        for change, until in zip(changes, _ends(changes, end), strict=True):
            kind = _kind(change, kind)
            trigger = _TRIGGERS.get(change.type)
            if trigger is not None and start <= change.at < end:
                times[scope, trigger] = times.get((scope, trigger), 0) + 1
            if kind is not None:
                within = min(until, end) - max(change.at, start)
                seconds = max(0.0, within.total_seconds())
                lasted[scope, kind] = lasted.get((scope, kind), 0.0) + seconds
    found = [
        Stop(scope=scope, kind=kind, times=times.get((scope, kind), 0),
             seconds=round(lasted.get((scope, kind), 0.0), 1))
        for scope, kind in times.keys() | lasted.keys()
    ]  # fmt: skip
    return sorted(
        (one for one in found if one.times or one.seconds),
        key=lambda one: (-one.seconds, one.scope, one.kind),
    )


def _ends(changes: Sequence[Event], end: datetime) -> list[datetime]:
    """When each change's state ended: at the next change, or when its time was up."""
    following = [*(change.at for change in changes[1:]), end]
    return [
        after if change.seconds is None or change.state not in ("paused", "forced_open")
        else min(after, change.at + timedelta(seconds=change.seconds))
        for change, after in zip(changes, following, strict=True)
    ]  # fmt: skip


def _kind(change: Event, before: Kind | None) -> Kind | None:
    """What holds after `change`; a trial goes on with the stop that it tries to end."""
    if change.state in _OPEN:
        trying = change.state == "half_open" and before is Kind.AUTH_STOP
        return Kind.AUTH_STOP if trying else Kind.OPEN
    if change.type == "fleet pause":
        return Kind.FLEET_PAUSE
    if change.state in (Kind.FORCED, Kind.PAUSED, Kind.AUTH_STOP):
        return Kind(change.state)
    return None
