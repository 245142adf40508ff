"""429: nobody of two hosts asks before the pause is over, whatever Retry-After says."""

import math
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import fleet, hosts

WORK = ["--types", "TA", "--latency-ms", "60", "--missing", "0"]
CAP_S, DEFAULT_S = 6, 1
POLICY = {**hosts.FAST, "retry_after_cap_s": CAP_S, "pause_default_s": DEFAULT_S}
CASES = [
    ("5", 5.0),
    ("date:5", 4.0),  # a date has whole seconds
    ("-5", DEFAULT_S),
    ("soon", DEFAULT_S),
    ("1.5", 2.0),
    ("999999999", CAP_S),
]


@pytest.mark.slow
def test_pause_is_kept_by_two_hosts_whatever_retry_after_says(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=2500, options=WORK) as api:
        sites = [hosts.site(tmp_path, migrated, api, one, breaker=POLICY) for one in ("ann", "bob")]
        sites[0].ok("import", str(tmp_path / "export.csv"))
        with hosts.running(sites):
            hosts.progress(sites[0], 30)
            for value, least_s in CASES:
                _check_pause(sites[0], api, value, least_s)
    assert hosts.charged(sites[0]) == []


def _check_pause(site: fleet.Site, api: fleet.Simulator, value: str, least_s: float) -> None:
    known, begun_ns = hosts.event(site, "pause").get("id", 0), time.monotonic_ns()
    api.control(body={"mode": "429", "retry_after": value})
    hosts.until(lambda: hosts.event(site, "pause").get("id", 0) > known)
    paused = hosts.event(site, "pause")
    # What a thread was about to send may begin late, on a busy machine; half the pause is for that.
    half_ns = int(least_s / 2 * 1e9)
    hosts.until(lambda: time.monotonic_ns() > paused["at_ns"] + half_ns, every_s=0.02)
    api.control(body={"mode": "ok"})
    throttled, later = hosts.until(
        lambda: _throttled(api, begun_ns, least_s), what="the first request after the pause"
    )
    last_ns = max(one["end_ns"] for one in throttled)
    first_ns = min(one["start_ns"] for one in later)
    in_flight = [one for one in throttled if one["start_ns"] > paused["at_ns"]]
    kept_s = (first_ns - last_ns) / 1e9
    print(
        f"Retry-After {value}: {len(throttled)} answers, {len(in_flight)} begun after the pause was"
        f" known, nothing for {kept_s:.2f} s"
    )
    assert len(throttled) <= 16  # the threads of both hosts
    assert all(one["start_ns"] < paused["at_ns"] + half_ns for one in throttled)
    assert kept_s >= least_s - 0.02
    assert least_s <= paused["details"]["seconds"] <= math.ceil(least_s) + (value == "date:5")


def _throttled(
    api: fleet.Simulator, begun_ns: int, least_s: float
) -> tuple[list[Any], list[Any]] | None:
    """The answers 429 since then and the requests that began after the last of them, if any.

    Without the 429s of a second pause, which is when we are slow to switch the API back.
    """
    requests = api.log(since_ns=begun_ns - 10**9)
    throttled = [one for one in requests if one["status"] == 429 and one["end_ns"] > begun_ns]
    over_ns = min((one["end_ns"] for one in throttled), default=0) + least_s * 1e9
    throttled = [one for one in throttled if one["start_ns"] < over_ns]
    last_ns = max((one["end_ns"] for one in throttled), default=begun_ns)
    later = [one for one in requests if one["start_ns"] > last_ns]
    return (throttled, later) if throttled and later else None


def test_tip_pays_for_its_third_429_when_others_succeed(tmp_path: Path, migrated: str) -> None:
    with fleet.simulator(tmp_path, tips=120, options=WORK) as api:
        site = hosts.site(tmp_path, migrated, api, "ann", breaker=POLICY)
        site.ok("import", str(tmp_path / "export.csv"))
        tip = site.value("SELECT tip FROM noggin_data OFFSET 20 LIMIT 1")
        api.control(body={"mode": "429", "retry_after": "1", "match": {"tip": tip}})
        with hosts.running([site]):
            hosts.until(lambda: hosts.charged(site))
            asked = _asked(api, tip)
            assert hosts.charged(site)[0][0] == tip
            assert len(asked) >= 3
            hosts.until(lambda: hosts.done(site) == 119)
    assert [one for one, _ in hosts.charged(site)] == [tip]


def _asked(api: fleet.Simulator, tip: str) -> list[dict[str, Any]]:
    return [one for one in api.log() if one["tip"] == tip]
