"""Trials in the gate: how long they may take, and what is told under which epoch."""

from collections.abc import Iterator
from typing import Any

import pytest

from noggin_mp.domain import breaker, outcome
from noggin_mp.store import breaker as store
from noggin_mp.store import session
from noggin_mp.worker import gate as gates
from tests.support import postgres
from tests.support.wait import until

HOST = "api.example"
ROLE = outcome.Role.API
POLICY = breaker.Policy(
    fail_max=1, open_duration_s=0, probe_deadline_s=10, success_threshold=1, recovery_ramp_s=0
)
OK = outcome.Attempt(kind=outcome.Kind.SUCCESS, role=ROLE, reason="ok")
FAILED = outcome.Attempt(kind=outcome.Kind.SERVER_ERROR, role=ROLE, reason="http_503")


class Hall:
    """A gate on a real database whose answer to a question for the trial takes `slow_s`."""

    def __init__(self, pool: session.Pool) -> None:
        self.now = 1000.0
        self.slow_s = 0.0
        hall = self

        class Slow(store.Store):
            def try_probe(self, **values: Any) -> tuple[store.Row, store.Probe | None]:
                answer = super().try_probe(**values)
                hall.now += hall.slow_s
                return answer

        self.gate = gates.Gate(
            store=Slow(pool, worker="h/0"),
            worker="h/0",
            host=HOST,
            policy=dict.fromkeys(outcome.Role, POLICY),
            clock=lambda: self.now,
        )
        self.gate.on_beat([])

    def acquire(self) -> gates.Permit:
        return self.gate.acquire(ROLE, cancelled=lambda: False, give_up_s=1)


@pytest.fixture
def hall(migrated: str) -> Iterator[Hall]:
    with session.open_pool(migrated, schema=postgres.SCHEMA, application_name="h/0") as pool:
        yield Hall(pool)


def trip(hall: Hall) -> None:
    hall.gate.report(hall.acquire(), FAILED, tip="t")
    hall.now += 0.3  # it asks a little late on purpose


def test_probe_must_end_earlier_when_its_grant_took_its_time(hall: Hall) -> None:
    trip(hall)
    hall.slow_s = 1.5
    permit = hall.acquire()
    assert (permit.probe, permit.deadline_s) == (True, 8.5)


def test_probe_is_given_back_when_its_grant_came_too_late(
    hall: Hall, conn: session.Connection
) -> None:
    trip(hall)
    hall.slow_s = 10.0
    with pytest.raises(gates.Refused):
        hall.acquire()
    [shown] = store.show(conn)
    assert (shown["state"], shown["probe_owner"]) == ("half_open", None)
    until(lambda: not postgres.advisory_locks(conn))


def test_votes_leave_out_a_success_that_was_admitted_before_an_outage(hall: Hall) -> None:
    before = hall.acquire()
    trip(hall)
    hall.gate.report(hall.acquire(), OK, tip="t")
    hall.gate.report(before, OK, tip="u")
    assert hall.gate.votes() == []
    after = hall.acquire()
    hall.gate.report(after, OK, tip="v")
    hall.gate.report(hall.acquire(), OK, tip="w")  # the first one ended a streak: told at once
    [vote] = hall.gate.votes()
    assert (vote["ok"], vote["epoch"]) == (1, after.epoch)
