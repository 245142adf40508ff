"""The API fails in the middle of a run that should end by itself: nobody pays, nothing is left."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import fleet, hosts, wait

WORK = ["--latency-ms", "10-30", "--missing", "0"]
POLICY = {**hosts.FAST, "open_duration_s": 2}
HEARD_S = 1.8
"""What was sent before a worker heard of the trip may begin so much later, on a busy machine; the
first probe is due after two seconds."""
THREADS = 8


@contextmanager
def until_drained(
    folder: Path, dsn: str, *, tips: int, before: dict[str, Any] | None = None
) -> Iterator[tuple[fleet.Simulator, fleet.Site, "subprocess.Popen[bytes]"]]:
    """A run that ends by itself, a moment after it began to work."""
    with fleet.simulator(folder, tips=tips, options=WORK) as api:
        site = hosts.site(folder, dsn, api, "here", breaker=POLICY)
        site.ok("import", str(folder / "export.csv"))
        if before is not None:
            api.control(body=before)
        process = site.start("run", "--until-drained")
        try:
            yield api, site, process
        finally:
            process.kill()
            process.wait(60)


def ended(site: fleet.Site, process: "subprocess.Popen[bytes]", *, timeout_s: float = 240) -> int:
    """The run's exit code; afterwards nothing is leased and nobody has paid."""
    code = process.wait(timeout_s)
    assert hosts.charged(site) == [], site.log[-2000:]
    assert site.value("SELECT count(*) FROM lease") == 0
    assert site.value("SELECT max(interruptions) FROM noggin_data") == 0
    return code


@pytest.mark.slow
def test_outage_charges_nobody_and_is_probed_by_one_at_a_time(
    tmp_path: Path, migrated: str
) -> None:
    with until_drained(tmp_path, migrated, tips=300) as (api, site, process):
        hosts.progress(site, 20)
        api.control(body={"mode": "503"})
        hosts.becomes(site, ":api", "open")
        trip = hosts.event(site, "trip", scope=":api")
        heard_ns = trip["at_ns"] + int(HEARD_S * 1e9)

        def probes() -> list[dict[str, Any]]:
            found = api.log(since_ns=heard_ns)
            return [one for one in found if (one["role"], one["status"]) == ("api", 503)]

        wait.until(lambda: len(probes()) >= 3, what="three probes")
        assert process.poll() is None  # it waits the outage out
        assert hosts.in_pairs(probes()) == []
        api.control(body={"mode": "ok"})
        assert ended(site, process) == 0
        assert site.value("SELECT count(*) FROM noggin_data") == 300
        assert hosts.done(site) == 300


@pytest.mark.slow
def test_run_waits_a_pause_out_when_all_that_is_left_is_throttled(
    tmp_path: Path, migrated: str
) -> None:
    throttled = {"mode": "429", "retry_after": "4"}
    with until_drained(tmp_path, migrated, tips=4, before=throttled) as (api, site, process):
        paused = hosts.until(lambda: hosts.event(site, "pause"))
        # Half of it for what a thread was about to send, which may begin late on a busy machine.
        hosts.until(lambda: time.monotonic_ns() > paused["at_ns"] + 2 * 10**9)
        api.control(body={"mode": "ok"})
        assert ended(site, process) == 0
        assert hosts.done(site) == 4
        log = api.log()
    last_ns = max(one["end_ns"] for one in log if one["status"] == 429)
    first_ns = min(one["start_ns"] for one in log if one["start_ns"] > last_ns)
    assert first_ns - last_ns >= 3.95e9  # nothing was sent in between


@pytest.mark.slow
def test_run_hands_everything_back_and_exits_4_when_the_token_expires(
    tmp_path: Path, migrated: str
) -> None:
    with until_drained(tmp_path, migrated, tips=300) as (api, site, process):
        hosts.progress(site, 20)
        api.control(body={"mode": "401"})
        assert ended(site, process) == 4
        refused = [one for one in api.log() if one["status"] == 401]
        assert 1 <= len(refused) <= THREADS  # what was in flight
        left = site.value(
            "SELECT count(*) FROM noggin_data JOIN ready USING (tip, gen)"
            " WHERE processing_status <> 'complete'"
        )
        assert left == 300 - hosts.done(site)


def test_run_exits_4_when_there_are_fewer_tips_than_threads_and_the_token_is_wrong(
    tmp_path: Path, migrated: str
) -> None:
    begun = time.monotonic_ns()
    with until_drained(tmp_path, migrated, tips=2, before={"mode": "401"}) as (api, site, process):
        assert ended(site, process) == 4
        assert 1 <= len(api.log(since_ns=begun)) <= 2
