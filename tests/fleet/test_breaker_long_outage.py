"""Half an hour of outage in fast time: a thousand TIPs wait, and the wait costs nothing."""

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support import fleet, hosts

WORK = ["--types", "TA,LCD", "--latency-ms", "20", "--missing", "0"]
TIPS = 1000
OUTAGE_S, WATCHED_S = 20.0, 8.0
SCALE = {**hosts.FAST, "open_multiplier": 2, "open_jitter": 0.2}


@pytest.mark.slow
def test_fleet_waits_for_nothing_when_an_outage_is_long(tmp_path: Path, migrated: str) -> None:
    with fleet.simulator(tmp_path, tips=TIPS, options=WORK) as api:
        site = hosts.site(
            tmp_path, migrated, api, "ann", breaker=SCALE, fleet={"workers": 4},
            retry={"max_attempts": 2},
        )  # fmt: skip
        site.ok("import", str(tmp_path / "export.csv"))
        api.control(body={"mode": "503"})
        begun = time.monotonic()
        with hosts.running([site]):
            hosts.becomes(site, ":api", "open")
            hosts.until(lambda: time.monotonic() - begun > OUTAGE_S - WATCHED_S, timeout_s=OUTAGE_S)
            shares = _cpu_shares(site)
            hosts.until(lambda: time.monotonic() - begun > OUTAGE_S, timeout_s=OUTAGE_S)
            _check_nobody_paid(site, api)
            _check_log(site)
            assert len(shares) == 4
            assert max(shares) < 5.0
            api.control(body={"mode": "ok"})
            hosts.becomes(site, ":api", "closed")
            hosts.progress(site, 300)
    assert hosts.charged(site) == []


def _cpu_shares(site: fleet.Site) -> list[float]:
    """What each worker takes of a core while it waits, in percent."""
    pids = list(fleet.workers(site).values())
    before, begun = [_cpu_s(pid) for pid in pids], time.monotonic()
    hosts.until(lambda: time.monotonic() - begun > WATCHED_S, timeout_s=WATCHED_S + 5)
    spent_s = time.monotonic() - begun
    shares = [100 * (_cpu_s(pid) - was) / spent_s for pid, was in zip(pids, before, strict=True)]
    print("a waiting worker takes of a core:", ", ".join(f"{one:.1f} %" for one in shares))
    return shares


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _check_nobody_paid(site: fleet.Site, api: fleet.Simulator) -> None:
    assert hosts.charged(site) == []
    assert site.value("SELECT count(*) FROM noggin_data") == TIPS
    events = site.value("SELECT count(*) FROM breaker_events WHERE event_type = 'open'")
    requests = api.log()
    print(f"{len(requests)} requests in {OUTAGE_S:.0f} s of outage, {events} failed trials")
    assert events >= 5
    assert len(requests) <= 2 * 16 + events  # what was in flight at the trip, and the trials


def _check_log(site: fleet.Site) -> None:
    """A line per worker and change of state; a line per request that failed; nothing else."""
    lines = site.log.splitlines()
    kinds = Counter(_kind(line) for line in lines)
    changes = site.value("SELECT count(*) FROM breaker_events")
    print(f"{len(lines)} log lines in all, for {changes} changes of state: {dict(kinds)}")
    assert kinds["breaker_changed"] <= 4 * changes
    assert len(lines) <= 4 * changes + changes + 60


def _kind(line: str) -> str:
    return next((word for word in line.split() if "_" in word), line)
