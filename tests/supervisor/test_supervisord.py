"""The real supervisord over a real fleet, both modes: crashes, stops, and its own sudden end."""

import functools
import importlib.util
import os
import signal
from pathlib import Path

import pytest

from tests.support import fleet, supervisord, truth, wait

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("supervisor") is None,
        reason="supervisord is not installed: pip install 'noggin-mp[supervisord]'",
    ),
]
# Each look costs a session or a walk through /proc: a few in a second will do.
until = functools.partial(wait.until, every_s=0.15)
TIPS = 40
PATIENCE_S = 90.0
ALL = "noggin-mp:*"
COUNT_CHARGES = """
CREATE TABLE charged (tip text, retry_count int);
CREATE FUNCTION count_charges() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO noggin_schema.charged VALUES (NEW.tip, NEW.retry_count);
    RETURN NULL;
END $$;
CREATE TRIGGER count_charges AFTER UPDATE ON noggin_data FOR EACH ROW
    WHEN (NEW.retry_count > OLD.retry_count OR NEW.permanently_failed)
    EXECUTE FUNCTION count_charges();
"""
ONCE_MORE = """
UPDATE noggin_data SET processing_status = 'pending' WHERE tip IN (
    SELECT tip FROM noggin_data WHERE processing_status = 'complete' ORDER BY updated_at LIMIT 20)
"""


def site_of(folder: Path, dsn: str, api: fleet.Simulator) -> fleet.Site:
    """A site with work, which counts what is settled and what is charged."""
    site = fleet.Site(folder, dsn, api, fleet={"workers": 2, "threads": 2, "grace_s": 30})
    site.ok("import", str(folder / "export.csv"))
    with site.connect() as connection:
        connection.execute(truth.COUNT_SETTLES + COUNT_CHARGES)
    return site


def until_busy(site: fleet.Site) -> None:
    """Wait for a sign of work, with more of it left."""
    before = site.value("SELECT count(*) FROM settled")
    with site.connect() as connection:
        connection.execute(ONCE_MORE)
    until(
        lambda: site.value("SELECT count(*) FROM settled") > before,
        timeout_s=PATIENCE_S,
        what="more is settled",
    )


def killed(pids: dict[str, int], name: str, daemon: supervisord.Supervisord) -> None:
    """Kill one program of supervisord's and wait for the next one."""
    os.kill(pids[name], signal.SIGKILL)
    until(
        lambda: daemon.pids().get(name) not in (None, pids[name]),
        timeout_s=PATIENCE_S,
        what=f"another {name}",
    )


def end(site: fleet.Site, daemon: supervisord.Supervisord) -> None:
    """supervisord itself is killed, another goes on and finishes, and is told to stop."""
    until_busy(site)
    daemon.kill()
    until(lambda: not daemon.left(), timeout_s=PATIENCE_S, what="all of ours are gone")
    assert site.value("SELECT count(*) FROM lease") == 0

    daemon.start()
    open_tips = (
        "SELECT count(*) FROM noggin_data WHERE processing_status NOT IN ('complete', 'not_found')"
    )
    until(lambda: site.value(open_tips) == 0, timeout_s=2 * PATIENCE_S, what="all is done")
    told = daemon.ctl("stop", ALL)
    assert "stopped" in told.stdout, told
    assert daemon.left() == []
    assert site.value("SELECT count(*) FROM lease") == 0
    truth.check_done(site, tips=TIPS)
    assert site.value("SELECT count(*) FROM charged") == 0


def test_nothing_is_lost_or_left_when_supervisord_keeps_the_fleet(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=TIPS, options=["--latency-ms", "60-120"]) as api:
        site = site_of(tmp_path, migrated, api)
        with supervisord.running(site) as daemon:
            _crash_the_fleet(site, daemon)
            end(site, daemon)


def _crash_the_fleet(site: fleet.Site, daemon: supervisord.Supervisord) -> None:
    def workers(number: int) -> dict[int, int]:
        return until(
            lambda: found if len(found := fleet.workers(site)) == number else {},
            timeout_s=PATIENCE_S,
            what=f"{number} workers",
        )

    first = workers(2)
    until_busy(site)
    os.kill(first[0], signal.SIGKILL)
    until(lambda: fleet.workers(site).get(0) not in (None, first[0]), timeout_s=PATIENCE_S)

    until_busy(site)
    children = daemon.left()
    killed(daemon.pids(), "noggin-mp", daemon)
    for pid in children:
        fleet.gone(pid, timeout_s=PATIENCE_S)
    workers(2)

    site.settings["fleet"]["workers"] = 3
    site.write()
    assert daemon.ctl("signal", "HUP", ALL).returncode == 0
    workers(3)


def test_nothing_is_lost_or_left_when_supervisord_keeps_every_worker(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=TIPS, options=["--latency-ms", "60-120"]) as api:
        site = site_of(tmp_path, migrated, api)
        with supervisord.running(site, "--numprocs", "--workers", "2") as daemon:
            first = _at_work(daemon)
            until_busy(site)
            killed(first, "noggin-worker_0", daemon)
            killed(first, "noggin-monitor", daemon)

            kept = _at_work(daemon)
            site.settings["retry"]["max_attempts"] = 11
            site.write()
            assert daemon.ctl("signal", "HUP", ALL).returncode == 0
            until_busy(site)
            until(
                lambda: daemon.log.count('"config_applied"') == 3,
                timeout_s=PATIENCE_S,
                what="each process takes the new settings over",
            )
            assert daemon.pids() == kept
            end(site, daemon)


def _at_work(daemon: supervisord.Supervisord) -> dict[str, int]:
    """The process ids, once each process has taken its title: it handles its signals by then."""
    names = {"noggin-worker_0", "noggin-worker_1", "noggin-monitor"}

    def titled() -> dict[str, int]:
        found = daemon.pids()
        taken = {name for name, pid in found.items() if _title(pid) == name.replace("_", "-")}
        return found if taken == names else {}

    return until(titled, timeout_s=PATIENCE_S, what=f"{names} at work")


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:  # it has ended
        return ""
