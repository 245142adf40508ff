"""Orders of events that the model of the protocol found, against the real functions."""

from typing import Any

import pytest

from noggin_mp.domain import breaker
from noggin_mp.store import breaker as store
from noggin_mp.store import session
from tests.support import postgres
from tests.support.stores import Make
from tests.support.wait import until

API = "api.example:api"
POLICY = breaker.Policy(open_duration_s=0, probe_deadline_s=60, fail_max=2, sample_size=1000)


def fail(of: store.Store, tip: str, *, epoch: int = 0) -> dict[str, Any]:
    tally = store.Tally(failed=1)
    return of.report(scope=API, epoch=epoch, tip=tip, reason="x", tally=tally, policy=POLICY)


def trip(of: store.Store, *, epoch: int = 0) -> None:
    assert [fail(of, tip, epoch=epoch)["charge"] for tip in "ab"] == ["doubt", "tripped"]


def ask(of: store.Store) -> tuple[dict[str, Any], store.Probe | None]:
    return of.try_probe(scope=API, fingerprint="", policy=POLICY)


def act(conn: session.Connection, verb: str, seconds: float | None = None) -> dict[str, Any]:
    return store.force(conn, scope=API, verb=verb, who="me", reason="test", seconds=seconds)


def value(conn: session.Connection, query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("verb", ["close", "reset", "open"])
def test_probe_waits_for_the_lease_of_a_cut_off_holder_when_a_person_acted_meanwhile(
    worker: Make, conn: session.Connection, verb: str
) -> None:
    a, b = worker("h/0"), worker("h/1")
    trip(a)
    assert ask(a)[1] is not None
    conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'h/0' AND datname = current_database()"
    )
    until(lambda: not postgres.advisory_locks(conn), timeout_s=60)
    epoch = act(conn, verb, 0)["epoch"]
    trip(b, epoch=epoch)
    row, probe = ask(b)
    assert (row["why"], probe) == ("not due", None)
    conn.execute("UPDATE breaker_state SET probe_lease_until = clock_timestamp()")
    assert ask(b)[1] is not None


def test_probe_done_ends_its_lease_when_a_person_acted_meanwhile(
    worker: Make, conn: session.Connection
) -> None:
    a, b = worker("h/0"), worker("h/1")
    trip(a)
    _, probe = ask(a)
    assert probe is not None
    trip(b, epoch=act(conn, "close")["epoch"])
    row = probe.done(result="success", fingerprint="", tip="t", reason="", policy=POLICY)
    assert (row["charge"], row["state"]) == ("stale", "open")
    assert ask(b)[1] is not None


def test_report_does_not_add_up_failures_of_before_and_after_an_opening_by_hand(
    worker: Make, conn: session.Connection
) -> None:
    a, b = worker("h/0"), worker("h/1")
    fail(a, "a")
    epoch = act(conn, "open", 0)["epoch"]
    assert fail(b, "b", epoch=epoch)["charge"] == "doubt"
    assert fail(a, "c", epoch=epoch)["charge"] == "tripped"


def test_epochs_are_not_used_twice_when_an_older_row_was_brought_back(
    worker: Make, conn: session.Connection
) -> None:
    old = act(conn, "reset")["epoch"]
    admitted = [act(conn, "reset")["epoch"] for _ in range(3)]
    conn.execute("UPDATE breaker_state SET epoch = %s", (old,))
    again = [act(conn, "reset")["epoch"] for _ in range(3)]
    assert not set(admitted) & set(again)
    assert min(again) > max(admitted)
    assert [fail(worker("h/0"), "t", epoch=epoch)["charge"] for epoch in admitted] == ["stale"] * 3


def test_epochs_grow_when_the_clock_goes_back(conn: session.Connection) -> None:
    conn.execute("INSERT INTO breaker_state (scope, epoch) VALUES (%s, 2^60)", (API,))
    assert act(conn, "reset")["epoch"] == 2**60 + 1
