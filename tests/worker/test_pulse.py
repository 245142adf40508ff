"""A worker's background threads: wake-ups, the beat, a listener that comes back, and faults."""

import queue as queues
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from noggin_mp.domain import breaker, errors, outcome
from noggin_mp.domain.tip import Tip
from noggin_mp.store import breaker as breaker_store
from noggin_mp.store import fleet, place, queue, session, trouble
from noggin_mp.worker import gate, pulse
from tests.support import job_bench, postgres
from tests.support.wait import until

API = "127.0.0.1:api"


@dataclass
class Body:
    """A pulse that beats, and what it works with."""

    pulse: pulse.Pulse
    inbox: "queues.SimpleQueue[object]"
    gate: gate.Gate
    holder: queue.Holder


@pytest.fixture
def body(bench: job_bench.Bench, migrated: str) -> Iterator[Body]:
    """A pulse at work on a migrated database."""
    where = place.Place(dsn=migrated, schema_name=postgres.SCHEMA, application_name="pulse")
    stopped = threading.Event()
    doors = gate.Gate(
        store=breaker_store.Store(bench.pool, worker="h/0"),
        worker="h/0",
        host=job_bench.HOST,
        policy=dict.fromkeys(outcome.Role, breaker.Policy.of({})),
    )
    inbox: queues.SimpleQueue[object] = queues.SimpleQueue()
    made = pulse.Pulse(
        pool=bench.pool, listen=where.listen, holder=bench.holder, gate=doors,
        meters=bench.meters, inbox=inbox, stopped=stopped,
    )  # fmt: skip
    listener = where.listen()
    assert fleet.claim_slot(listener, holder=bench.holder)
    beat(made)
    made.start(listener)
    yield Body(made, inbox, doors, bench.holder)
    stopped.set()
    made.join(60.0)


def beat(made: pulse.Pulse) -> None:
    """One heartbeat; it waits two seconds for a session, in which we may be asleep."""

    def beaten() -> bool:
        try:
            made.beat()
        except trouble.AWAY:
            return False
        return True

    until(beaten, timeout_s=60, what="a heartbeat")


def cut(conn: session.Connection) -> None:
    """End the listener's session as an administrator does."""
    gone = conn.execute(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
        " WHERE application_name = 'pulse/listen' AND datname = current_database()"
    ).fetchall()
    assert gone


def test_pulse_wakes_the_loop_when_something_becomes_ready(
    body: Body, conn: session.Connection
) -> None:
    assert not body.pulse.woken()
    conn.execute("INSERT INTO noggin_data (tip) VALUES ('a')")
    until(body.pulse.woken, timeout_s=60)
    assert not body.pulse.woken()
    assert body.inbox.get(timeout=60) is None


def test_pulse_tells_the_gate_when_the_breaker_changes(
    body: Body, conn: session.Connection
) -> None:
    breaker_store.force(conn, scope=API, verb="open", who="me", reason="test", seconds=3000)
    until(lambda: body.gate.open_for(outcome.Role.API) > 2000, timeout_s=60)


def test_beat_shows_what_the_worker_is_at(body: Body, conn: session.Connection) -> None:
    query = "SELECT state, busy, tip FROM fleet_workers WHERE host = 'h' AND slot = 0"

    def shown(state: str, busy: int, tip: str | None) -> bool:
        beat(body.pulse)  # the thread's own beat may have looked earlier and write later
        return conn.execute(query).fetchone() == (state, busy, tip)

    body.pulse.started(Tip("first"))
    body.pulse.started(Tip("second"))
    until(lambda: shown("running", 2, "first"), timeout_s=60)
    body.pulse.ended(Tip("first"))
    body.pulse.ended(Tip("second"))
    until(lambda: shown("running", 0, None), timeout_s=60)


def test_beat_brings_the_head_and_the_news_of_suspects(
    body: Body, conn: session.Connection
) -> None:
    assert (list(body.pulse.head), body.pulse.suspects) == ([], False)
    conn.execute("INSERT INTO noggin_data (tip, interruptions) VALUES ('a', 2)")
    head = queue.publish_head(conn)

    def brought() -> bool:
        beat(body.pulse)  # as above
        return (list(body.pulse.head), body.pulse.suspects) == (head, True)

    assert head
    until(brought, timeout_s=60)


def test_pulse_holds_its_slot_and_listens_again_when_its_session_was_ended(
    body: Body, conn: session.Connection
) -> None:
    for number in range(3):
        cut(conn)
        until(lambda: not _free(conn, body.holder), timeout_s=60, what="the slot is held again")
        until(body.pulse.woken, timeout_s=60, what="a look after each reconnection")
        conn.execute("INSERT INTO noggin_data (tip) VALUES (%s)", (f"t{number}",))
        until(body.pulse.woken, timeout_s=60)
        body.pulse.check()


def _free(conn: session.Connection, holder: queue.Holder) -> bool:
    with fleet.slot_lock(conn, holder=holder) as claimed:
        return claimed


def test_check_raises_when_the_schema_was_changed_under_the_worker(
    body: Body, conn: session.Connection
) -> None:
    conn.execute(
        "INSERT INTO schema_migrations (version, name, sha256, applied_by)"
        " VALUES (9999, 'future', 'x', 'somebody')"
    )
    cut(conn)

    def raised() -> Exception | None:
        try:
            body.pulse.check()
        except Exception as error:
            return error
        return None

    assert isinstance(until(raised, timeout_s=60), errors.SchemaError)
    assert body.inbox.get(timeout=60) is None  # the main loop is woken to hear of it


def test_check_raises_when_the_beat_meets_a_fault_of_the_program(
    body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("made to fail")

    body.pulse.check()
    monkeypatch.setattr(breaker_store, "beat", broken)

    def raised() -> bool:
        try:
            body.pulse.check()
        except ZeroDivisionError:
            return True
        return False

    until(raised, timeout_s=60)
