"""A fleet whose processes are killed at any moment: nothing is lost, nothing is written twice."""

import itertools
import os
import signal
from pathlib import Path

import psycopg
import pytest

from tests.support import fleet, truth, wait

TIPS = 2000


@pytest.mark.slow
def test_fleet_loses_nothing_when_workers_and_the_supervisor_are_killed(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=TIPS, options=["--latency-ms", "20-60"]) as api:
        site = fleet.Site(tmp_path, migrated, api)
        site.ok("import", str(tmp_path / "export.csv"))
        with site.connect() as connection:
            connection.execute(truth.COUNT_SETTLES)

        killed = _kill_workers(site)
        assert killed >= 3  # more, unless the fleet is much faster than we are
        truth.check_done(site, tips=TIPS)
        assert site.value("SELECT count(*) FROM lease") == 0
        assert (
            site.value(
                "SELECT count(*) FROM (SELECT FROM settled GROUP BY tip HAVING count(*) > 1) AS t"
            )
            == 0
        )


def _kill_workers(site: fleet.Site) -> int:
    """Kill one worker after another, then the supervisor in mid-run, then let a new one finish."""
    process = site.start("run", "--until-drained", "--workers", "4", "--threads", "8")
    wait.until(lambda: len(fleet.workers(site)) == 4)
    killed = 0
    for slot in itertools.islice(itertools.cycle(range(4)), 8):
        settled = site.value("SELECT count(*) FROM settled")
        if settled > TIPS * 0.7:
            break
        pid = wait.until(lambda slot=slot: fleet.workers(site).get(slot))
        os.kill(pid, signal.SIGKILL)
        killed += 1
        wait.until(
            lambda settled=settled: site.value("SELECT count(*) FROM settled") > settled + 40,
            what="progress after a kill",
        )
    children = list(fleet.workers(site).values())
    process.kill()
    process.wait()
    for pid in children:
        fleet.gone(pid, timeout_s=30)
    code = site.start("run", "--until-drained", "--horizon", "60", "--workers", "4").wait(400)
    assert code == 0, site.log[-3000:]
    return killed


def test_update_makes_a_running_fleet_do_a_complete_tip_again(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=8) as api:
        site = fleet.Site(tmp_path, migrated, api)
        site.ok("import", str(tmp_path / "export.csv"))
        with fleet.running(site, "--workers", "2", "--threads", "2"):
            wait.until(
                lambda: (
                    site.value(
                        "SELECT count(*) FROM noggin_data WHERE processing_status = 'pending'"
                    )
                    == 0
                ),
            )
            tip, gen = _one_complete(site, "%")
            with site.connect() as connection:
                connection.execute(
                    "UPDATE noggin_data SET processing_status = 'pending', retry_count = 0,"
                    " next_retry_at = NULL WHERE tip = %s",
                    (tip,),
                )
            wait.until(lambda: _one_complete(site, tip)[1] == gen + 2)


def _one_complete(site: fleet.Site, like: str) -> tuple[str, int]:
    with site.connect() as connection:
        row = connection.execute(
            "SELECT tip, gen FROM noggin_data WHERE processing_status = 'complete' AND tip LIKE %s"
            " LIMIT 1",
            (like,),
        ).fetchone()
    return (row[0], row[1]) if row else ("", -1)


def test_run_does_one_tip_when_it_is_named(tmp_path: Path, migrated: str) -> None:
    with fleet.simulator(tmp_path, tips=5, options=["--missing", "0"]) as api:
        site = fleet.Site(tmp_path, migrated, api)
        site.ok("import", str(tmp_path / "export.csv"))
        tip = site.value("SELECT tip FROM noggin_data OFFSET 3 LIMIT 1")
        site.ok("run", "--tip", tip)
        site.ok("run", "--tip", tip)
        assert site.value(
            "SELECT array_agg(tip) FROM noggin_data WHERE processing_status = 'complete'"
        ) == [tip]
        locks = [file.name for file in (site.folder / "state").glob("worker-*.lock")]
        assert locks == ["worker-10000.lock"]  # the slot was used again, its metrics with it
        missing = site.run("run", "--tip", "no-such-tip")
        assert (missing.returncode, "no-such-tip" in missing.stderr) == (3, True)


def test_settles_are_counted_per_row(conn: psycopg.Connection) -> None:
    """The trigger of these tests sees what it must: a row settled twice counts twice."""
    conn.execute(truth.COUNT_SETTLES)
    conn.execute("INSERT INTO noggin_data (tip) VALUES ('a')")
    for status in ("complete", "pending", "complete"):
        conn.execute("UPDATE noggin_data SET processing_status = %s", (status,))
    assert conn.execute("SELECT count(*) FROM settled").fetchone() == (2,)
