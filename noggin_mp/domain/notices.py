"""What a fleet tells people by itself: conditions become notices, each once, with a cool-down."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Kind(StrEnum):
    """What can be told; the names are those of `notify.on`."""

    AUTH_STOP = "auth_stop"
    BREAKER_OPEN = "breaker_open"
    WORKER_PARKED = "worker_parked"
    DISK_LOW = "disk_low"
    RELOAD_REFUSED = "reload_refused"
    DOWN = "down"
    DEAD_LETTERS = "dead_letters"
    IMPORT_STALLED = "import_stalled"
    FLEET_PAUSED = "fleet_paused"
    DRAINED = "drained"


KINDS: Final = tuple(str(kind) for kind in Kind)
_FIRST_IS_NEWS: Final = frozenset(Kind) - {Kind.DRAINED}
_END_IS_NEWS: Final = frozenset(Kind) - {Kind.DRAINED, Kind.DEAD_LETTERS}

_FLAGS: Final = frozenset(Kind) - {Kind.DEAD_LETTERS}
"""Kinds of which only well or not counts."""

SILENT_AFTER_S: Final = 60.0
"""A host that is silent for so long, and did not sign off, is told as down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is so now: `level` 0 is well, 1 is not, more is how many; `text` says it."""

    kind: Kind
    subject: str
    level: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was noted last about a subject: its level, and how long ago a person was told."""

    level: int
    told_ago_s: float | None  # None: nobody was told anything about it so far


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A change to be noted; `silent` ones are noted only, the others are sent."""

    kind: Kind
    subject: str
    level: int
    text: str
    silent: bool


def changes(
    conditions: Iterable[Condition],
    told: Mapping[tuple[str, str], Told],
    *,
    cooldown_s: float,
) -> list[Notice]:
    """What is to be noted, given what was; nothing about a subject within its cool-down.

    A subject that is not among `conditions` any more is well again. Who flaps is told about once
    in a cool-down: what counts is whether the level still differs when it is over.
    """
    now = {(one.kind.value, one.subject): one for one in conditions}
    for key, before in told.items():
        if key not in now and before.level and key[0] in KINDS:
            now[key] = Condition(kind=Kind(key[0]), subject=key[1], level=0, text="it is over")
    found = []
    for key, one in sorted(now.items()):
        notice = _change(one, told.get(key), cooldown_s)
        if notice is not None:
            found.append(notice)
    return found


def _change(one: Condition, before: Told | None, cooldown_s: float) -> Notice | None:
    if before is None:
        if not one.level and one.kind in _FIRST_IS_NEWS:
            return None
        silent = one.kind not in _FIRST_IS_NEWS
    elif one.level == before.level or (
        one.kind in _FLAGS and bool(one.level) == bool(before.level)
    ):
        return None
    else:
        silent = one.level < before.level and one.kind not in _END_IS_NEWS
        if not silent and before.told_ago_s is not None and before.told_ago_s < cooldown_s:
            return None
    return Notice(kind=one.kind, subject=one.subject, level=one.level, text=one.text, silent=silent)


def conditions(facts: Mapping[str, Any]) -> list[Condition]:
    """What is so, from what the leader's monitor knows.

    `facts` holds `breakers`, `tips`, `queue`, `paused` and `pause_reason` as status has them,
    `hosts` (rows of fleet_overview) and `stalled` (files whose loading stands still).
    """
    return [*_breakers(facts), *_hosts(facts), *_work(facts)]


def _breakers(facts: Mapping[str, Any]) -> Iterable[Condition]:
    for one in facts["breakers"]:
        scope, state = one["scope"], one["state"]
        why = f": {one['reason']}" if one.get("reason") else ""
        if state == "auth_stop":
            yield _condition(
                Kind.AUTH_STOP,
                scope,
                f"{scope} refuses the token, all workers wait{why}; give a valid token, see the"
                " runbook auth-stop",
            )
        # Half-open is neither news nor the end of it.
        if state in ("open", "half_open", "forced_open"):
            yield _condition(
                Kind.BREAKER_OPEN,
                scope,
                f"the breaker {scope} is open, nothing is asked there{why}; see noggin-mp breaker"
                f" show {scope}",
            )


def _hosts(facts: Mapping[str, Any]) -> Iterable[Condition]:
    for one in facts["hosts"]:
        host = one["host"]
        if one["state"] in ("silent", "gone") and one["silent_s"] > SILENT_AFTER_S:
            yield _condition(
                Kind.DOWN,
                host,
                f"host {host} is not heard of any more, and did not sign off; see the runbook"
                " fleet-down",
            )
            continue  # what it said last is old
        if one["parked"]:
            yield _condition(
                Kind.WORKER_PARKED,
                host,
                f"host {host}: worker slots parked after repeated crashes: {one['parked']}; see"
                " its log, and the runbook worker-parked",
            )
        if one["blocked"]:
            yield _condition(
                Kind.DISK_LOW,
                host,
                f"host {host}: {one['blocked']} workers lease nothing because its output disk is"
                " under its floor, or its folder fails; see the runbook disk-low",
            )
        if one["config_error"]:
            yield _condition(
                Kind.RELOAD_REFUSED,
                host,
                f"host {host} refused the last reload: {one['config_error']}",
            )


def _condition(kind: Kind, subject: str, text: str, level: int = 1) -> Condition:
    return Condition(kind=kind, subject=subject, level=level, text=text)


def _work(facts: Mapping[str, Any]) -> Iterable[Condition]:
    dead = facts["tips"]["permanently_failed"]
    if dead:
        text = f"{dead:,} TIPs are permanently failed; see noggin-mp dead list"
        yield _condition(Kind.DEAD_LETTERS, "", text, dead)
    if facts["stalled"]:
        text = f"{facts['stalled']} imports stand still; see noggin-mp sources list"
        yield _condition(Kind.IMPORT_STALLED, "", text)
    if facts["paused"]:
        why = f": {facts['pause_reason']}" if facts["pause_reason"] else ""
        text = f"the fleet is paused by hand{why}; noggin-mp fleet resume ends it"
        yield _condition(Kind.FLEET_PAUSED, "", text)
    yield from work(facts["tips"], facts["queue"])


def work(tips: Mapping[str, int], queue: Mapping[str, int]) -> list[Condition]:
    """Whether the queue has run empty."""
    text = (
        f"the queue is empty: {tips['complete']:,} TIPs complete,"
        f" {tips['permanently_failed']:,} permanently failed"
    )
    return [_condition(Kind.DRAINED, "", text, int(not sum(queue.values())))]


def subject_line(notice: Notice) -> str:
    """The notice in a few words: `auth_stop api.example`, `over: down host-b`."""
    what = " ".join(part for part in (notice.kind, notice.subject) if part)
    return what if notice.level or notice.kind is Kind.DRAINED else f"over: {what}"
