"""What a gate knows, when answers and notifications meet in unlucky orders; time is a number."""

import json
from typing import Any

import pytest

from noggin_mp.domain import breaker, holds, outcome
from noggin_mp.worker import standing, tally

HOST = "api.example"
ROLE = outcome.Role.API
API = f"{HOST}:{ROLE}"


class Bench:
    def __init__(self) -> None:
        self.now = 100.0
        self.changes: list[holds.Change] = []
        self.trips: list[str] = []
        self.standing = standing.Standing(
            worker="h/0",
            host=HOST,
            policy=dict.fromkeys(outcome.Role, breaker.Policy(recovery_ramp_s=0)),
            clock=lambda: self.now,
            capacity=4,
            fingerprint=lambda: "token",
            changed=self.changes.append,
            tripped=self.trips.append,
            random=lambda: 0.0,
        )

    def held(self) -> str | None:
        hold = self.standing.hold(ROLE, self.now)
        return hold.reason if hold else None


def row(state: str = "closed", epoch: int = 1, scope: str = API, **fields: Any) -> dict[str, Any]:
    left = 0 if state == "closed" else 60
    base = {"scope": scope, "state": state, "epoch": epoch, "remaining_s": left, "paused_s": 0}
    return {**base, **fields}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_beaten_keeps_what_was_heard_after_the_beat_was_asked(bench: Bench) -> None:
    asked = bench.now
    bench.now += 0.2
    bench.standing.notified(json.dumps(row("open", 2)))
    bench.now += 0.2
    bench.standing.beaten([row("closed", 1)], asked=asked)  # the first beat: it takes any epoch
    assert bench.held() == "closed"
    bench.standing.lose()
    bench.now += 0.2
    bench.standing.beaten([], asked=asked)  # the row was not there yet
    assert bench.held() == "closed"


def test_beaten_takes_an_older_epoch_when_it_was_asked_after_the_newer_was_heard(
    bench: Bench,
) -> None:
    bench.standing.notified(json.dumps(row("open", 2)))
    bench.now += 0.2
    bench.standing.beaten([row("closed", 1)], asked=bench.now)
    assert bench.held() is None


def test_beaten_confirms_the_moment_it_was_asked_at(bench: Bench) -> None:
    bench.standing.beaten([], asked=bench.now - 2.5)
    assert bench.held() is None
    bench.now += 0.6
    assert bench.held() == "blind"


def test_beaten_does_not_take_back_a_younger_confirmation(bench: Bench) -> None:
    bench.standing.beaten([], asked=bench.now)
    bench.standing.beaten([], asked=bench.now - 2.5)
    bench.now += 2.9
    assert bench.held() is None


@pytest.mark.parametrize("scopes", [[], [row(scope=HOST)], [row("closed", 9, scope=HOST)]])
def test_pause_of_our_own_holds_when_rows_come_in_that_do_not_know_it(
    bench: Bench, scopes: list[dict[str, Any]]
) -> None:
    bench.standing.beaten([])
    until = bench.standing.pause(2.0, "http_429")
    for _ in range(2):
        bench.standing.beaten(scopes)
        assert bench.held() == "paused"
        bench.standing.lose()  # the next beat takes any epoch
    bench.now = until
    bench.standing.beaten(scopes)
    assert bench.held() is None


def test_pause_of_our_own_ends_with_the_rows_when_the_database_knows_it(bench: Bench) -> None:
    bench.standing.beaten([])
    until = bench.standing.pause(60.0, "http_429")
    bench.standing.paused(until, row("paused", 2, scope=HOST, paused_s=60))
    assert bench.held() == "paused"
    bench.standing.beaten([row("closed", 3, scope=HOST)])  # a person ended it
    assert bench.held() is None


def test_tally_forgets_successes_of_an_earlier_epoch() -> None:
    counts = tally.Tally()
    counts.add(1.0, slow=False, epoch=3)
    counts.add(2.0, slow=False, epoch=3)
    late = counts.fail(3.0, slow=True, epoch=1)
    assert (late.ok, late.failed, late.slow) == (0, 1, 1)  # nothing of epoch 3 is told under 1
    counts.add(4.0, slow=False, epoch=5)
    told = counts.take(6.0)
    assert (counts.epoch, told.ok, told.ok_age_s) == (5, 1, 2.0)


def trip(at: int, *, by: str = "h/0", epoch: int = 2) -> dict[str, Any]:
    return row("open", epoch, tripped_by=by, tripped_at=at)


def test_trip_is_told_once_however_often_and_in_which_ways_it_is_heard_of(bench: Bench) -> None:
    bench.standing.beaten([row("closed", 1)])
    bench.standing.notified(json.dumps(trip(5)))
    bench.standing.adopt(trip(5))
    bench.standing.beaten([trip(5)])
    bench.standing.beaten([row("half_open", 3, tripped_by="h/0", tripped_at=5)])
    assert bench.trips == [API]
    # The announcement is lost, and the beat comes when the trial has begun already.
    bench.standing.beaten([row("half_open", 7, tripped_by="h/0", tripped_at=9)])
    assert bench.trips == [API, API]


def test_trip_is_not_told_when_another_worker_or_a_predecessor_tripped(bench: Bench) -> None:
    bench.standing.beaten([trip(5)])  # before this process had begun
    bench.standing.notified(json.dumps(trip(6, by="h/1", epoch=3)))
    bench.standing.beaten([row("closed", 9, tripped_by="h/1", tripped_at=6)])
    assert bench.trips == []


def test_notification_is_ignored_when_it_is_of_another_schema(bench: Bench) -> None:
    fleet = row(scope=holds.FLEET, schema="ours")
    bench.standing.beaten([fleet])
    bench.standing.notified(json.dumps({**row("open", 5), "schema": "theirs"}))
    assert bench.held() is None
    bench.standing.notified(json.dumps({**row("open", 5), "schema": "ours"}))
    assert bench.held() == "closed"


@pytest.mark.parametrize(("age_s", "asked"), [(1.0, 0), (1.5, 1), (3.5, 1)])
def test_freshen_asks_for_a_beat_when_the_last_one_is_old(
    bench: Bench, age_s: float, asked: int
) -> None:
    calls: list[float] = []

    def beat() -> None:
        calls.append(bench.now)
        bench.standing.beaten([], asked=bench.now)

    bench.standing.beat_now = beat
    bench.standing.beaten([])
    bench.now += age_s
    with bench.standing.lock:
        bench.standing.freshen()
    assert len(calls) == asked
