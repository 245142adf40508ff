"""The chores on a real database: one leader, orphans, promotion, reaping, reconciling."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noggin_mp.monitor import maintenance
from noggin_mp.observe import metrics
from noggin_mp.store import fleet, queue, session
from tests.monitor.conftest import Alone
from tests.support import postgres
from tests.support.wait import until

INSTANCE = str(uuid.uuid4())
DEAD_PID = 2**22 + 1
"""Above pid_max, so no process ever has it. Source: proc(5), /proc/sys/kernel/pid_max."""


class Chores:
    """One host's chores in a thread of the test."""

    def __init__(self, dsn: str, folder: Path, host: str) -> None:
        self.stop = threading.Event()
        self.metrics_dir = folder / f"metrics {host}"
        self.made = maintenance.Maintenance(
            connect=lambda name: session.connect(
                dsn, schema=postgres.SCHEMA, application_name=f"{host} {name}"
            ),
            holder=queue.Holder(host=host, slot=-1, instance=INSTANCE, boot=1),
            max_attempts=3,
            backoff_s=0.1,
            meters=metrics.Metrics(slot="monitor", directory=self.metrics_dir),
            stopping=self.stop.is_set,
            wait=self.stop.wait,
        )
        self.thread = threading.Thread(target=self.made.run)
        self.rounds = 0
        self.leads: list[bool] = []
        """Each lead it took and lost."""
        self._look, self._note = self.made._return_orphans, self.made._led
        self.made._return_orphans = self._counted  # type: ignore[method-assign]
        self.made._led = self._noted  # type: ignore[method-assign]

    def _counted(self, connection: session.Connection) -> None:
        self._look(connection)
        self.rounds += 1

    def _noted(self, leading: bool) -> None:
        if leading != self.made.leading:
            self.leads.append(leading)
        self._note(leading)

    def start(self) -> None:
        self.thread.start()

    def reaped(self) -> float:
        text = metrics.collect(self.metrics_dir).decode()
        (line,) = (one for one in text.splitlines() if one.startswith("noggin_leases_reaped_total"))
        return float(line.rpartition(" ")[2])


Make = Callable[..., Chores]


@pytest.fixture
def make(migrated: str, tmp_path: Path) -> Iterator[Make]:
    """Makes the chores of a host; started unless told otherwise, ended after the test."""
    made: list[Chores] = []

    def make_one(host: str = "h", *, start: bool = True) -> Chores:
        made.append(Chores(migrated, tmp_path, host))
        if start:
            made[-1].start()
        return made[-1]

    yield make_one
    for chores in made:
        chores.stop.set()
        if chores.thread.ident is not None:
            chores.thread.join(60)
            assert not chores.thread.is_alive()


def value(conn: session.Connection, query: str) -> object:
    """The first column of the first row."""
    row = conn.execute(query.encode()).fetchone()
    return row[0] if row else None


def leased(conn: session.Connection, *, host: str = "h", pid: int | None, boot: int = 1) -> int:
    """One TIP under a lease of slot 0, whose last tenant is process `pid`; its token."""
    conn.execute("INSERT INTO noggin_data (tip) VALUES ('a')")
    holder = queue.Holder(host=host, slot=0, instance=INSTANCE, boot=boot)
    if pid is not None:
        fleet.register(conn, holder=holder, pid=pid, version="1")
    batch = queue.lease(conn, holder=holder, cursor=queue.Cursor(), k=9, lease_s=3600)
    assert batch.token is not None
    return int(batch.token)


def test_orphaned_leases_are_returned_when_their_worker_is_dead(
    make: Make, conn: session.Connection
) -> None:
    leased(conn, pid=DEAD_PID)
    chores = make()
    until(lambda: value(conn, "SELECT count(*) FROM lease") == 0, timeout_s=60)
    row = conn.execute(
        "SELECT processing_status, interruptions, retry_count FROM noggin_data"
    ).fetchone()
    assert row == ("interrupted", 1, 0)
    assert value(conn, "SELECT tip FROM ready JOIN noggin_data USING (tip, gen)") == "a"
    until(lambda: chores.reaped() == 1)  # counted after the commit


def test_leases_of_a_slot_without_a_tenant_are_returned(
    make: Make, conn: session.Connection
) -> None:
    leased(conn, pid=None)
    make()
    until(lambda: value(conn, "SELECT count(*) FROM lease") == 0, timeout_s=60)


def test_leases_stay_where_they_are_when_the_worker_lives_but_lost_its_session(
    make: Make, conn: session.Connection
) -> None:
    leased(conn, pid=threading.get_native_id())  # this process; nobody holds the slot's lock
    _several_turns(make())
    assert value(conn, "SELECT count(*) FROM lease") == 1
    assert value(conn, "SELECT interruptions FROM noggin_data") == 0


def test_leases_stay_where_they_are_when_a_successor_holds_the_slot(
    make: Make, conn: session.Connection
) -> None:
    leased(conn, pid=DEAD_PID)
    assert fleet.claim_slot(conn, holder=queue.Holder(host="h", slot=0, instance=INSTANCE, boot=2))
    _several_turns(make())
    assert value(conn, "SELECT count(*) FROM lease") == 1


def test_leases_of_other_hosts_stay_until_they_run_out(
    make: Make, conn: session.Connection
) -> None:
    leased(conn, host="elsewhere", pid=DEAD_PID)
    _several_turns(make())
    assert value(conn, "SELECT count(*) FROM lease") == 1
    conn.execute("UPDATE lease SET lease_until = clock_timestamp()")
    until(lambda: value(conn, "SELECT count(*) FROM lease") == 0, timeout_s=60)
    assert value(conn, "SELECT processing_status FROM noggin_data") == "interrupted"


def _several_turns(chores: Chores) -> None:
    """Wait until orphans have been looked for again and again."""
    until(lambda: chores.rounds >= 3, timeout_s=60)


def test_retries_are_promoted_when_they_fall_due(make: Make, conn: session.Connection) -> None:
    make()
    with conn.transaction():  # until its end nobody else sees them, however long it takes
        conn.execute(
            "INSERT INTO noggin_data (tip, processing_status, next_retry_at)"
            " SELECT 't' || n, 'failed', clock_timestamp() + interval '0.8 s'"
            " FROM generate_series(1, 1200) AS n"
        )
        assert value(conn, "SELECT count(*) FROM ready") == 0
    early = "FROM ready JOIN noggin_data USING (tip) WHERE next_retry_at > clock_timestamp()"

    def all_ready() -> bool:
        assert value(conn, f"SELECT count(*) {early}") == 0
        return value(conn, "SELECT count(*) FROM ready") == 1200

    until(all_ready, timeout_s=30)  # half of what reconciling would take to find them
    assert value(conn, "SELECT count(*) FROM later") == 0


def test_the_promoter_sleeps_by_the_database_clock(conn: session.Connection) -> None:
    conn.execute(
        "INSERT INTO noggin_data (tip, processing_status, next_retry_at)"
        " VALUES ('a', 'failed', clock_timestamp() + interval '500 s')"
    )
    found = queue.promote(conn).next_in_s
    assert found is not None
    assert 400 < found <= 500


def test_lost_entries_are_filed_again(make: Make, conn: session.Connection) -> None:
    conn.execute("ALTER TABLE noggin_data DISABLE TRIGGER USER")
    conn.execute("INSERT INTO noggin_data (tip) VALUES ('restored')")
    conn.execute("ALTER TABLE noggin_data ENABLE TRIGGER USER")
    assert value(conn, "SELECT count(*) FROM ready") == 0
    make()
    until(lambda: value(conn, "SELECT tip FROM ready") == "restored", timeout_s=60)


def test_the_head_is_published(make: Make, conn: session.Connection) -> None:
    conn.execute("INSERT INTO noggin_data (tip) VALUES ('a')")
    make()
    until(lambda: value(conn, "SELECT head FROM queue_control"), timeout_s=60)


def test_leadership_is_kept_by_one_and_moves_when_its_session_is_ended(
    make: Make, conn: session.Connection
) -> None:
    for host in ("one", "two"):
        conn.execute("INSERT INTO fleet_hosts (host, instance) VALUES (%s, %s)", (host, INSTANCE))
    one = make("one")
    until(lambda: one.made.leading, timeout_s=60)
    two = make("two")
    leaders = "SELECT array_agg(host) FROM fleet_hosts WHERE leader"
    until(lambda: value(conn, leaders) == ["one"], timeout_s=60)
    assert not two.made.leading
    one.stop.set()
    one.thread.join(60)
    until(lambda: two.made.leading and not one.made.leading, timeout_s=60)
    until(lambda: value(conn, leaders) == ["two"], timeout_s=60)
    conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'two maintenance' AND datname = current_database()"
    )
    until(lambda: two.leads[:3] == [True, False, True], timeout_s=60)  # in a new session
    assert two.thread.is_alive()


def test_every_is_due_at_once_and_then_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    every = maintenance.Every(5.0)
    assert [every.due(), every.due()] == [True, False]
    now[0] += 5.0
    assert [every.due(), every.due()] == [True, False]


@pytest.mark.slow
def test_a_second_monitor_leads_when_the_first_is_killed(alone: Alone) -> None:
    with alone("first") as (first, pages):
        until(lambda: pages.series().sum("leader") == 1, timeout_s=60)
        with alone("second") as (_, others):
            assert others.series().sum("leader") == 0
            first.kill()
            first.wait(60)
            until(lambda: others.series().sum("leader") == 1, timeout_s=60)


def test_host_that_finds_a_standby_does_not_lead_and_says_so_once(
    make: Make, conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(maintenance.log, "warning", lambda event, **_: said.append(event))
    database = conn.info.dbname
    conn.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on".encode())
    chores, tries = make(start=False), threading.Semaphore(0)

    def wait(seconds: float) -> object:
        tries.release()
        return chores.stop.wait(min(seconds, 0.01))

    chores.made._wait = wait
    chores.start()
    for _ in range(5):
        assert tries.acquire(timeout=60)
    conn.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only".encode())
    until(lambda: chores.made.leading)
    assert chores.leads == [True]
    assert said == ["maintenance_lost_database"]
