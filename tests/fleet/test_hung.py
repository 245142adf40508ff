"""Real processes that stop or hang: replaced, told of, and nothing is lost or charged."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import fleet, promises, truth, wait

ROOT = Path(__file__).resolve().parents[2]
TIPS = 90


@contextmanager
def patched(site: fleet.Site, tip: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A fleet whose first thread that takes up this TIP never comes back."""
    command = [sys.executable, "-m", "tests.support.killer_host", str(site.config), tip, "hold"]
    with (site.folder / "fleet.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


@pytest.mark.slow
def test_fleet_goes_on_when_its_processes_stop_and_a_thread_hangs(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=TIPS, options=["--latency-ms", "150"]) as api:
        site = fleet.Site(
            tmp_path, migrated, api,
            fleet={"workers": 3, "threads": 2, "watchdog_s": 10, "grace_s": 20},
        )  # fmt: skip
        # Together no more than the watchdog: so long a thread may be silent.
        site.settings["api"] |= {"connect_timeout_s": 2, "read_timeout_s": 6, "deadline_s": 6}
        site.write()
        site.ok("import", str(tmp_path / "export.csv"))
        with site.connect() as connection:
            connection.execute(truth.COUNT_SETTLES)
            connection.execute(promises.LOG_LEASES)
        held = site.value("SELECT tip FROM ready ORDER BY seq OFFSET 5 LIMIT 1")
        with patched(site, held) as process:
            promises.settle_in(site, 3)
            before = _all(site)
            _others_go_on_while_the_supervisor_is_stopped(site, process)
            assert _all(site) == before

            holder = wait.until(lambda: _leased_by(site, held))[0]
            victim = next(slot for slot in range(3) if slot != holder)
            now = _all(site)
            os.kill(now[victim], signal.SIGSTOP)
            os.kill(now["monitor"], signal.SIGSTOP)
            assert process.wait(240) == 0, site.log[-3000:]
        truth.check_done(site, tips=TIPS)
        assert site.value("SELECT max(retry_count) FROM noggin_data") == 0
        assert len(_leased_by(site, held)) >= 2

    hung = [line for line in site.log.splitlines() if '"child_hung"' in line]
    who = {line.partition('"child": "')[2].partition('"')[0] for line in hung}
    assert who >= {"monitor", f"worker {holder}", f"worker {victim}"}
    stacks = [line for line in site.log.splitlines() if '"child_stacks"' in line]
    assert any("in hold" in line for line in stacks)


def _leased_by(site: fleet.Site, tip: str) -> list[int]:
    """The slots that leased a TIP, in order."""
    query = "SELECT slot FROM lease_log WHERE %s = ANY (tips) ORDER BY at"
    with site.connect() as connection:
        return [row[0] for row in connection.execute(query, (tip,)).fetchall()]


def _all(site: fleet.Site) -> dict[int | str, int]:
    said = fleet.supervisor_file(site)
    return {**fleet.workers(site), "monitor": said["monitor"]["pid"]}


def _others_go_on_while_the_supervisor_is_stopped(
    site: fleet.Site, process: "subprocess.Popen[bytes]"
) -> None:
    process.send_signal(signal.SIGSTOP)
    settled = site.value("SELECT count(*) FROM settled")
    wait.until(lambda: site.value("SELECT count(*) FROM settled") > settled + 5)
    process.send_signal(signal.SIGCONT)
