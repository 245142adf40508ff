"""The database and its operators disturb a run: it goes on, nobody pays, nothing is done twice."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from noggin_mp.store import embedded, queue
from noggin_mp.supervisor import holdings
from tests.support import fleet, hosts, postgres, truth, wait

WORK = ["--latency-ms", "20-40", "--missing", "0"]

DURABLE = {**postgres.FAST, "synchronous_commit": "on"}
"""What is acknowledged is kept."""


@contextmanager
def own_server() -> Iterator[tuple[Path, str]]:
    """A folder, and the DSN of a server of the test's own in its `server`, with all migrations."""
    folder = postgres.scratch()
    state = folder / "server"
    dsn = embedded.ensure_running(state, settings=DURABLE)
    try:
        postgres.migrate(dsn)
        yield folder, dsn
    finally:
        embedded.destroy(state)
        for home in (folder, folder / "here"):
            shutil.rmtree(holdings.metrics_folder(home / "state"), ignore_errors=True)


@contextmanager
def at_work(
    folder: Path, dsn: str, *words: str, tips: int
) -> Iterator[tuple[fleet.Site, "subprocess.Popen[bytes]"]]:
    """A fleet some TIPs into its work; every settle is counted."""
    with fleet.simulator(folder, tips=tips, options=WORK) as api:
        site = hosts.site(folder, dsn, api, "here", fleet={"grace_s": 60})
        site.ok("import", str(folder / "export.csv"))
        with site.connect() as connection:
            connection.execute(truth.COUNT_SETTLES)
        process = site.start("run", *words)
        try:
            hosts.progress(site, 20)
            yield site, process
        finally:
            process.kill()
            process.wait(60)


def check(site: fleet.Site, tips: int) -> None:
    """Every TIP is done, settled once, with its files; nobody paid, not even an interruption."""
    truth.check_done(site, tips=tips)
    check_unpaid(site)


def check_unpaid(site: fleet.Site) -> None:
    """No TIP was charged or taken away from a living worker; nothing is leased."""
    assert hosts.charged(site) == []
    assert site.value("SELECT max(interruptions) FROM noggin_data") == 0
    assert site.value("SELECT count(*) FROM lease") == 0


@pytest.mark.slow
def test_fleet_goes_on_when_postgres_is_restarted_fast_and_at_once() -> None:
    with own_server() as (folder, dsn):
        state = folder / "server"
        with at_work(folder, dsn, "--until-drained", "--horizon", "30", tips=150) as (site, run):
            for sign in (signal.SIGINT, signal.SIGQUIT):
                _end(state, sign)
                embedded.ensure_running(state, settings=DURABLE)
                hosts.progress(site, 20)
            assert run.wait(180) == 0, site.log[-3000:]
            check(site, 150)
            assert site.log.count('"worker_started"') == 2  # nobody died of it


@pytest.mark.slow
def test_nobody_is_called_hung_when_postgres_is_away_for_longer_than_the_watchdog_waits() -> None:
    with own_server() as (folder, dsn):
        state = folder / "server"
        with fleet.simulator(folder, tips=100, options=WORK) as api:
            watch = {"watchdog_s": 10, "grace_s": 60, "workers": 2, "threads": 2}
            site = fleet.Site(folder, dsn, api, fleet=watch)
            site.ok("import", str(folder / "export.csv"))
            with site.connect() as connection:
                connection.execute(truth.COUNT_SETTLES)
            with fleet.running(site, "--until-drained", "--horizon", "30") as run:
                hosts.progress(site, 10)
                before = fleet.workers(site)
                _end(state, signal.SIGQUIT)
                # Each worker tells it once for each wait that was in vain: more than the watchdog.
                wait.until(lambda: site.log.count('"database_lost"') >= 8, timeout_s=120)
                assert fleet.workers(site) == before
                embedded.ensure_running(state, settings=DURABLE)
                assert run.wait(180) == 0, site.log[-3000:]
            truth.check_done(site, tips=100)
            check_unpaid(site)
        assert '"child_hung"' not in site.log
        assert site.log.count('"maintenance_lost_database"') == 1


END_AT_SIGN_IN = """
CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
CREATE TRIGGER end_session BEFORE INSERT OR UPDATE OF boot ON fleet_workers
    FOR EACH ROW EXECUTE FUNCTION end_session();
"""


@pytest.mark.slow
def test_database_that_goes_while_workers_start_is_no_fault_of_theirs(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=20, options=WORK) as api:
        site = fleet.Site(tmp_path, migrated, api, fleet={"workers": 1})
        site.ok("import", str(tmp_path / "export.csv"))
        with site.connect() as connection:
            connection.execute(truth.COUNT_SETTLES)
            connection.execute(END_AT_SIGN_IN)
        with fleet.running(site, "--until-drained", "--horizon", "30") as run:
            # More often than a slot may fail for reasons of its own.
            wait.until(lambda: site.log.count('"child_exited"') > 5, timeout_s=180)
            with site.connect() as connection:
                connection.execute("DROP TRIGGER end_session ON fleet_workers")
            assert run.wait(180) == 0, site.log[-3000:]
        truth.check_done(site, tips=20)
    assert '"child_crashed"' not in site.log
    ends = [line for line in site.log.splitlines() if '"child": "worker 0"' in line]
    assert sum('"exit code 5"' in line for line in ends) > 5
    assert "refused us or is down: terminating connection" in site.log


def _end(state: Path, sign: signal.Signals) -> None:
    """End the server. Source: the manual, 18.5: INT is a fast shutdown, QUIT an immediate one."""
    server = embedded.status(state)
    assert server is not None
    assert server.pid is not None
    os.kill(server.pid, sign)
    fleet.gone(server.pid)


@pytest.mark.slow
def test_fleet_works_on_when_its_listeners_are_ended_again_and_again(
    tmp_path: Path, migrated: str
) -> None:
    words = ("--until-drained", "--horizon", "10")
    with at_work(tmp_path, migrated, *words, tips=200) as (site, run):
        cut = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE application_name LIKE 'noggin-mp/here/%/listen'"
            " AND datname = current_database()"
        )
        ended = 0
        for _ in range(5):
            ended += hosts.until(lambda: site.value(cut), what="a listener")
            hosts.progress(site, 10)
        assert ended >= 5
        assert run.wait(180) == 0, site.log[-3000:]
        check(site, 200)


AGAIN = """
UPDATE noggin_data SET processing_status = 'pending', retry_count = 0, next_retry_at = NULL
WHERE tip IN (SELECT tip FROM noggin_data WHERE processing_status = 'complete' LIMIT 9)
"""


END_WAITING = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'noggin-mp/here/0' AND wait_event_type = 'Lock'
    AND datname = current_database()
"""


@pytest.mark.slow
def test_worker_returns_a_lease_of_its_own_that_it_was_never_told_of(
    tmp_path: Path, migrated: str
) -> None:
    with at_work(tmp_path, migrated, "--workers", "1", tips=80) as (site, _):
        with site.connect() as connection, connection.transaction():
            row = connection.execute(
                "SELECT host, slot, instance::text, boot FROM fleet_workers"
            ).fetchone()
            assert row is not None
            names = ("host", "slot", "instance", "boot")
            holder = queue.Holder(**dict(zip(names, row, strict=True)))
            connection.execute("LOCK TABLE ready IN ACCESS EXCLUSIVE MODE")
            connection.execute(AGAIN)  # so that there is something to lease
            lost = queue.lease(connection, holder=holder, cursor=queue.Cursor(), k=9, lease_s=3600)
            assert lost.items
            # As if the answer had died with the session: the worker's own, which waits for us.
            wait.until(lambda: _noticed(site), what="a database that is lost")
        wait.until(lambda: hosts.done(site) == 80, timeout_s=120, what="the lost ones as well")
        check_unpaid(site)


def _noticed(site: fleet.Site) -> bool:
    """End the worker's session that waits; true once the worker has told that it lost it."""
    site.value(END_WAITING)
    return '"database_lost"' in site.log


@pytest.mark.slow
def test_fleet_drains_within_grace_when_it_is_told_to_end(tmp_path: Path, migrated: str) -> None:
    with at_work(tmp_path, migrated, tips=1000) as (site, run):
        run.terminate()
        assert run.wait(120) == 0, site.log[-3000:]
        done = hosts.done(site)
        assert 20 <= done < 1000
        check_unpaid(site)
        assert site.value("SELECT count(*) FROM ready JOIN noggin_data USING (tip, gen)") == (
            1000 - done
        )
        assert not [path for path in site.output.rglob("*") if path.name.endswith(".tmp")]


@pytest.mark.slow
def test_fleet_steps_over_the_rows_of_a_long_update(tmp_path: Path, migrated: str) -> None:
    words = ("--until-drained", "--horizon", "10")
    with at_work(tmp_path, migrated, *words, tips=240) as (site, run):
        with site.connect() as operator, operator.transaction():
            operator.execute(
                "CREATE TEMP TABLE mine AS SELECT tip FROM noggin_data"
                " WHERE processing_status = 'pending' ORDER BY tip DESC LIMIT 60"
            )
            operator.execute(
                "UPDATE noggin_data SET inspected_by = 'me' WHERE tip IN (SELECT tip FROM mine)"
            )
            # While they are held, all the others get done.
            wait.until(lambda: hosts.done(site) >= 180, timeout_s=120, what="the others")
            assert run.poll() is None
        assert run.wait(180) == 0, site.log[-3000:]
        check(site, 240)


@pytest.mark.slow
def test_two_hosts_share_the_work_and_settle_nothing_twice(tmp_path: Path, migrated: str) -> None:
    with fleet.simulator(tmp_path, tips=240, options=WORK) as api:
        sites = [hosts.site(tmp_path, migrated, api, name) for name in ("ann", "bob")]
        sites[0].ok("import", str(tmp_path / "export.csv"))
        with sites[0].connect() as connection:
            connection.execute(truth.COUNT_SETTLES)
        sites[0].ok("fleet", "pause", "--reason", "until both are there")
        runs = [one.start("run", "--until-drained", "--horizon", "10") for one in sites]
        try:
            hosts.until(lambda: hosts.beating(sites[0]) == 4, timeout_s=120, what="all beat")
            sites[0].ok("fleet", "resume")
            assert [run.wait(240) for run in runs] == [0, 0], sites[0].log[-2000:]
        finally:
            for run in runs:
                run.kill()
                run.wait(60)
        assert hosts.done(sites[0]) == 240
        check_unpaid(sites[0])
        twice = "SELECT count(*) FROM (SELECT FROM settled GROUP BY tip HAVING count(*) > 1) AS t"
        assert sites[0].value(twice) == 0
        shares = sites[0].value(
            "SELECT array_agg(host ORDER BY host) FROM ("
            " SELECT split_part(worker_id, '/', 1) AS host FROM noggin_data"
            " GROUP BY 1 HAVING count(*) >= 10) AS w"
        )
        assert shares == ["ann", "bob"]
        files = [path for one in sites for path in one.output.rglob("*.*") if path.is_file()]
        assert len({path.relative_to(path.parents[3]) for path in files}) == len(files)
