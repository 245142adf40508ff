"""What a fleet tells by itself: once for each change, with a cool-down, and what is no news."""

from typing import Any

import pytest

from noggin_mp.domain import notices
from noggin_mp.domain.notices import Condition, Kind, Told

COOLDOWN_S = 900.0


def condition(kind: Kind, level: int = 1, subject: str = "x") -> Condition:
    """Something that is so."""
    return Condition(kind=kind, subject=subject, level=level, text="why")


@pytest.mark.parametrize(
    ("kind", "level", "told", "ago_s", "expected"),
    [
        (Kind.AUTH_STOP, 1, None, None, "sent"),
        (Kind.AUTH_STOP, 1, 1, 5.0, None),
        (Kind.AUTH_STOP, 1, 1, 5000.0, None),
        (Kind.AUTH_STOP, 0, 1, 5.0, None),  # it may come back: wait for the cool-down
        (Kind.AUTH_STOP, 0, 1, 901.0, "sent"),
        (Kind.AUTH_STOP, 1, 0, 5.0, None),
        (Kind.AUTH_STOP, 1, 0, 901.0, "sent"),
        (Kind.AUTH_STOP, 0, None, None, None),
        (Kind.DEAD_LETTERS, 3, None, None, "sent"),
        (Kind.DEAD_LETTERS, 5, 3, 901.0, "sent"),
        (Kind.DEAD_LETTERS, 5, 3, 5.0, None),
        (Kind.DEAD_LETTERS, 3, 3, 901.0, None),
        (Kind.DEAD_LETTERS, 2, 3, 5.0, "silent"),
        (Kind.DEAD_LETTERS, 0, 3, 901.0, "silent"),
        (Kind.DRAINED, 1, None, None, "silent"),  # a fleet that starts idle has finished nothing
        (Kind.DRAINED, 0, None, None, "silent"),
        (Kind.DRAINED, 0, 1, 5.0, "silent"),
        (Kind.DRAINED, 1, 0, None, "sent"),
        (Kind.DRAINED, 1, 0, 901.0, "sent"),
        (Kind.DRAINED, 1, 0, 5.0, None),
    ],
)
def test_change_is(
    kind: Kind, level: int, told: int | None, ago_s: float | None, expected: str | None
) -> None:
    before = {} if told is None else {(kind.value, "x"): Told(level=told, told_ago_s=ago_s)}

    found = notices.changes([condition(kind, level)], before, cooldown_s=COOLDOWN_S)

    assert [("silent" if one.silent else "sent", one.level) for one in found] == (
        [] if expected is None else [(expected, level)]
    )


def test_what_is_not_so_any_more_is_over() -> None:
    before = {
        ("down", "host b"): Told(level=1, told_ago_s=1000.0),
        ("of an older version", "x"): Told(level=1, told_ago_s=1000.0),
    }
    (over,) = notices.changes([], before, cooldown_s=COOLDOWN_S)
    assert (over.kind, over.subject, over.level) == (Kind.DOWN, "host b", 0)


def facts(**changes: Any) -> dict[str, Any]:
    """Facts of a fleet at rest."""
    return {
        "breakers": [], "hosts": [host()], "paused": False, "pause_reason": None, "stalled": 0,
        "tips": {"complete": 7, "permanently_failed": 0},
        "queue": {"ready": 0, "later": 0, "leased": 0},
    } | changes  # fmt: skip


def host(name: str = "a", state: str = "up", **changes: Any) -> dict[str, Any]:
    """A row of fleet_overview."""
    return {
        "host": name, "state": state, "silent_s": 0.5, "parked": 0, "blocked": 0,
        "config_error": None,
    } | changes  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"hosts": []}, []),
        ({"breakers": [{"scope": "s", "state": "auth_stop", "reason": "401"}]},
         [(Kind.AUTH_STOP, "s")]),
        ({"breakers": [{"scope": "s", "state": "open", "reason": None}]},
         [(Kind.BREAKER_OPEN, "s")]),
        ({"breakers": [{"scope": "s", "state": "half_open"}]}, [(Kind.BREAKER_OPEN, "s")]),
        ({"breakers": [{"scope": "s", "state": "paused"}]}, []),
        ({"hosts": [host("b", "silent", silent_s=61, parked=1)]}, [(Kind.DOWN, "b")]),
        ({"hosts": [host("b", "gone", silent_s=9000)]}, [(Kind.DOWN, "b")]),
        ({"hosts": [host("b", "silent", silent_s=30)]}, []),
        ({"hosts": [host("b", "stopped", silent_s=9000)]}, []),
        ({"hosts": [host("b", parked=2), host("c")]}, [(Kind.WORKER_PARKED, "b")]),
        ({"hosts": [host("b", blocked=1)]}, [(Kind.DISK_LOW, "b")]),
        ({"hosts": [host("b", config_error="line 3")]}, [(Kind.RELOAD_REFUSED, "b")]),
        ({"stalled": 1}, [(Kind.IMPORT_STALLED, "")]),
        ({"paused": True, "pause_reason": "night"}, [(Kind.FLEET_PAUSED, "")]),
        ({"tips": {"complete": 7, "permanently_failed": 2}}, [(Kind.DEAD_LETTERS, "")]),
    ],
)  # fmt: skip
def test_conditions_of(changes: dict[str, Any], expected: list[tuple[Kind, str]]) -> None:
    found = notices.conditions(facts(**changes))
    assert [(one.kind, one.subject) for one in found if one.kind is not Kind.DRAINED] == expected


@pytest.mark.parametrize(
    ("kind", "subject", "level", "line"),
    [
        (Kind.DOWN, "b", 1, "down b"),
        (Kind.DOWN, "b", 0, "over: down b"),
        (Kind.DEAD_LETTERS, "", 4, "dead_letters"),
        (Kind.DRAINED, "", 1, "drained"),
    ],
)
def test_subject_line_says_what_and_whether_it_is_over(
    kind: Kind, subject: str, level: int, line: str
) -> None:
    notice = notices.Notice(kind=kind, subject=subject, level=level, text="", silent=False)
    assert notices.subject_line(notice) == line


def test_queue_is_drained_when_nothing_waits_anywhere() -> None:
    def drained(**queue: int) -> int:
        whole = {"ready": 0, "later": 0, "leased": 0} | queue
        (one,) = [c for c in notices.conditions(facts(queue=whole)) if c.kind is Kind.DRAINED]
        return one.level

    assert [drained(), drained(later=1), drained(ready=1), drained(leased=1)] == [1, 0, 0, 0]
