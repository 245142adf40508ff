"""A request that a kept connection swallowed: the gate says whether it goes once more."""

from collections.abc import Iterator

import pytest

from noggin_mp.domain import breaker, outcome
from noggin_mp.store import breaker as store
from noggin_mp.store import session
from noggin_mp.worker import gate as gates
from tests.support import postgres

API, MEDIA = outcome.Role.API, outcome.Role.MEDIA
RESTED_S = 1.0
UUID = "6b1c1d5e-0b5c-4b0e-9a53-3d2f7f4d8c11"
pytestmark = pytest.mark.usefixtures("sighted")


class Bench:
    """A gate, and what a worker would tell it."""

    def __init__(self, pool: session.Pool) -> None:
        self.gate = gates.Gate(
            store=store.Store(pool, worker="h/0"),
            worker="h/0",
            host="api.example",
            policy=dict.fromkeys(outcome.Role, breaker.Policy(open_duration_s=0.01, open_jitter=0)),
        )
        self._pool = pool
        self.beat()

    def beat(self) -> None:
        with self._pool.connection() as connection:
            reply = store.beat(
                connection, host="h", slot=0, instance=UUID, boot=1, pid=1, state="running", busy=0,
                tip=None,
            )  # fmt: skip
        self.gate.on_beat(reply["scopes"])

    def acquire(self, role: outcome.Role = API, give_up_s: float = 60) -> gates.Permit:
        return self.gate.acquire(role, cancelled=lambda: False, give_up_s=give_up_s)

    def end(self, permit: gates.Permit, kind: outcome.Kind, tip: str = "t") -> None:
        attempt = outcome.Attempt(kind=kind, role=permit.role, reason=str(kind))
        self.gate.report(permit, attempt, tip=tip)

    def force(self, verb: str, scope: str) -> None:
        with self._pool.connection() as connection:
            store.force(connection, scope=scope, verb=verb, who="me", reason="x", seconds=60)
        self.beat()


@pytest.fixture
def bench(migrated: str) -> Iterator[Bench]:
    """A gate on a migrated database."""
    pool = session.open_pool(migrated, schema=postgres.SCHEMA, application_name="t")
    yield Bench(pool)
    pool.close()


def test_resend_is_granted_when_the_connection_had_rested_and_all_is_well(bench: Bench) -> None:
    permit = bench.acquire()
    assert bench.gate.may_resend(permit, RESTED_S)
    assert not bench.gate.may_resend(permit, RESTED_S - 0.01)


@pytest.mark.parametrize("role", [API, MEDIA])
def test_resend_is_refused_from_a_failure_until_a_success(bench: Bench, role: outcome.Role) -> None:
    bench.end(bench.acquire(role), outcome.Kind.CONNECT)
    waiting = bench.acquire(API)
    assert not bench.gate.may_resend(waiting, RESTED_S)
    bench.end(bench.acquire(role), outcome.Kind.SUCCESS)
    assert bench.gate.may_resend(waiting, RESTED_S)


def test_resend_is_refused_when_the_gate_was_shut_meanwhile(bench: Bench) -> None:
    permit = bench.acquire()
    bench.force("open", "api.example")
    assert not bench.gate.may_resend(permit, RESTED_S)


def test_resend_is_refused_to_a_trial(bench: Bench) -> None:
    for number in range(5):
        bench.end(bench.acquire(), outcome.Kind.CONNECT, tip=str(number))
    probe = bench.acquire()
    assert probe.probe
    bench.force("reset", "api.example:api")
    assert not bench.gate.may_resend(probe, RESTED_S)
