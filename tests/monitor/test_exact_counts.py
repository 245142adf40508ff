"""Counters against the simulator's own log while workers are killed: what may be missing."""

import os
import random
import signal
from pathlib import Path

from tests.support import fleet, scrape, wait

WORKERS, THREADS, KILLS = 2, 4, 3
LEFT = "SELECT count(*) FROM noggin_data WHERE processing_status NOT IN ('complete', 'not_found')"


def test_counters_miss_only_what_was_in_flight_when_workers_are_killed(
    tmp_path: Path, migrated: str
) -> None:
    options = ["--faults", "500=2%,reset=2%,html=1%", "--latency-ms", "15"]
    with fleet.simulator(tmp_path, tips=150, options=options) as api:
        site = fleet.Site(tmp_path, migrated, api, monitor={"bind": "127.0.0.1:0"})
        sizes = ("--workers", str(WORKERS), "--threads", str(THREADS))
        with fleet.running(site, *sizes):
            pages = scrape.pages(site)
            wait.until(lambda: _counting(pages) == WORKERS, timeout_s=60, what="workers that count")
            site.ok("import", str(tmp_path / "export.csv"))
            for number in range(KILLS):
                _kill_one(site, pages, slot=number % WORKERS)
            wait.until(lambda: site.value(LEFT) == 0, timeout_s=180, what="all TIPs done")
            wait.until(lambda: _at_rest(api), timeout_s=60, what="a line for each request")
            _compare(site, pages, api)


def _at_rest(api: fleet.Simulator) -> bool:
    """True when the log tells of all: what broke off has its line a moment after its end."""
    return len(api.log()) == api.stats["requests"]


def _counting(pages: scrape.Pages) -> int:
    """How many workers have their series."""
    series = pages.series()
    return sum(bool(series.of("requests_total", worker=str(n))) for n in range(WORKERS))


def _kill_one(site: fleet.Site, pages: scrape.Pages, *, slot: int) -> None:
    """Kill a worker in the midst of its requests, while there are any, and wait for the next."""

    def requests() -> float:
        return pages.series().sum("requests_total", worker=str(slot))

    enough = requests() + random.randint(5, 25)
    wait.until(lambda: requests() > enough or site.value(LEFT) == 0, timeout_s=60)
    pid = fleet.workers(site)[slot]
    os.kill(pid, signal.SIGKILL)
    wait.until(lambda: fleet.workers(site).get(slot, pid) != pid, timeout_s=60, what="a successor")


def _compare(site: fleet.Site, pages: scrape.Pages, api: fleet.Simulator) -> None:
    series, log = pages.series(), api.log()
    counted = series.sum("requests_total")
    missing = len(log) - counted
    assert 0 <= missing <= KILLS * THREADS, f"{len(log)} answered, {counted} counted"
    sent = sum(entry["bytes"] for entry in log)
    largest = max(entry["bytes"] for entry in log)
    assert 0 <= sent - series.sum("downloaded_bytes_total") <= KILLS * THREADS * largest
    # A request is counted before its answer is acted on: no file and no row without its count.
    files = [path for path in site.output.rglob("*") if path.suffix in {".jpg", ".png", ".pdf"}]
    assert files
    assert series.sum("requests_total", role="media", outcome="success") >= len(files)
    complete = site.value("SELECT count(*) FROM noggin_data WHERE processing_status = 'complete'")
    assert series.sum("requests_total", role="api", outcome="success") >= complete
    # A TIP is counted after it is settled: what is missing was settled just before a kill.
    told = series.sum("tips_total", outcome="complete")
    assert complete - KILLS * THREADS * 2 <= told <= complete
