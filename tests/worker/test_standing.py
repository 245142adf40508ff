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
        self.standing = standing.Standing(
            worker="h/0",
            host=HOST,
            policy=dict.fromkeys(outcome.Role, breaker.Policy(recovery_ramp_s=0)),
            clock=lambda: self.now,
            capacity=4,
            fingerprint=lambda: "token",
            changed=self.changes.append,
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
