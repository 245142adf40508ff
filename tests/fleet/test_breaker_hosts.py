"""Three hosts on one database: what stops one stops all, and one request at a time tries again."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support import fleet, hosts, islands

WORK = ["--types", "TA", "--latency-ms", "200", "--missing", "0"]
HOSTS = ("ann", "bob", "cyd")
POLICY = {**hosts.FAST, "open_duration_s": 2}
HEARD_S = 1.8
"""What was sent before a worker heard of the trip may begin so much later, on a busy machine; the
first probe is due after two seconds."""


@pytest.mark.slow
def test_hosts_stop_together_when_one_trips_and_when_a_person_opens(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=3000, options=WORK) as api:
        sites = [hosts.site(tmp_path, migrated, api, name, breaker=POLICY) for name in HOSTS]
        sites[0].ok("import", str(tmp_path / "export.csv"))
        with hosts.running(sites):
            hosts.progress(sites[2], 60)
            _check_trip(sites, api)
            hosts.progress(sites[2], 60)
            _check_opened_by_hand(sites, api)
            hosts.progress(sites[2], 60)
    assert hosts.charged(sites[0]) == []


def _check_trip(sites: list[fleet.Site], api: fleet.Simulator) -> None:
    api.control(body={"mode": "503"})
    hosts.becomes(sites[0], ":api", "open")
    trip = hosts.event(sites[0], "trip", scope=":api")
    hosts.until(lambda: hosts.event(sites[0], "open", scope=":api").get("id", 0) > trip["id"])
    probes = [one for one in api.log(since_ns=trip["at_ns"]) if one["status"] == 503]
    leaked = [one for one in probes if one["start_ns"] < trip["at_ns"] + HEARD_S * 1e9]
    print(f"after the trip: {len(leaked)} requests")
    assert len(leaked) <= 24  # the threads of all
    assert hosts.in_pairs([one for one in probes if one not in leaked]) == []
    api.control(body={"mode": "ok"})
    hosts.becomes(sites[0], ":api", "closed")


def _check_opened_by_hand(sites: list[fleet.Site], api: fleet.Simulator) -> None:
    sites[1].ok("breaker", "open", "127.0.0.1", "--for", "300", "--reason", "their maintenance")
    opened_ns = time.monotonic_ns()
    later = hosts.until(lambda: _standstill(api, opened_ns), what="a standstill")[0]
    print(f"after the opening: {len(later)} requests")
    assert len(later) <= 24
    assert hosts.state(sites[2], "") == "forced_open"
    assert sites[2].value("SELECT count(*) FROM ready") > 0  # it was not for lack of work
    sites[1].ok("breaker", "close", "127.0.0.1", "--reason", "they are back")


def _standstill(api: fleet.Simulator, since_ns: int) -> tuple[list[dict[str, int]]] | None:
    """The requests begun since then, once there was none for two seconds."""
    now_ns = time.monotonic_ns()
    requests = api.log(since_ns=since_ns)
    last_ns = max((one["start_ns"] for one in requests), default=since_ns)
    return (requests,) if now_ns > last_ns + 2 * 10**9 else None


@pytest.mark.slow
def test_next_probe_comes_and_is_alone_when_the_probing_worker_is_killed(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=500, options=WORK) as api:
        sites = [hosts.site(tmp_path, migrated, api, one, breaker=POLICY) for one in HOSTS[:2]]
        sites[0].ok("import", str(tmp_path / "export.csv"))
        with hosts.running(sites):
            _hold_the_probe(sites[0], api)
            for _ in range(2):
                _kill_prober(sites)
            api.control(body={"mode": "ok"})
            hosts.becomes(sites[0], ":api", "closed")
            hosts.progress(sites[0], 50)
        _check_alone(sites[0], api)


def _hold_the_probe(site: fleet.Site, api: fleet.Simulator) -> None:
    """Let everything fail, and then the trial request hang."""
    api.control(body={"mode": "503"})
    hosts.becomes(site, ":api", "open")
    api.control(body={"mode": "hang"})


def _kill_prober(sites: list[fleet.Site]) -> None:
    host, slot = hosts.until(lambda: hosts.prober(sites[0]), what="somebody probes")
    held = _grants(sites[0])
    [site] = [one for one in sites if one.folder.name == host]
    os.kill(hosts.until(lambda: fleet.workers(site).get(slot)), signal.SIGKILL)
    begun = time.monotonic()
    hosts.until(lambda: _grants(sites[0]) > held, what="the next probe")
    print(f"the next probe came {time.monotonic() - begun:.1f} s after the prober was killed")


def _grants(site: fleet.Site) -> int:
    """How often the right to probe was granted so far."""
    count: int = site.value(
        "SELECT count(*) FROM breaker_events WHERE new_state = 'half_open' AND details IS NULL"
    )
    return count


def _check_alone(site: fleet.Site, api: fleet.Simulator) -> None:
    """From the trip to the recovery one request at a time; the client gives up at its deadline."""
    trip = hosts.event(site, "trip", scope=":api")["at_ns"]
    closed = hosts.event(site, "close", scope=":api")["at_ns"]
    deadline_ns = int((hosts.FAST["probe_deadline_s"] + 0.5) * 1e9)
    probes = [
        {**one, "end_ns": min(one["end_ns"], one["start_ns"] + deadline_ns)}
        for one in api.log(since_ns=trip + int(HEARD_S * 1e9))  # what was in flight is over
        if one["start_ns"] < closed
    ]
    assert len(probes) >= 3
    assert hosts.in_pairs(probes) == []
    assert hosts.charged(site) == []


@pytest.mark.slow
def test_next_probe_comes_and_is_alone_when_the_probers_network_is_cut(tmp_path: Path) -> None:
    with (
        islands.archipelago(2) as shores,
        islands.database() as dsn,
        fleet.simulator(tmp_path, tips=500, options=[*WORK, "--host", islands.MAINLAND]) as api,
    ):
        sites = [
            islands.site(shore, tmp_path, dsn, api, name, breaker=POLICY)
            for shore, name in zip(shores, HOSTS[:2], strict=True)
        ]
        desk = hosts.site(tmp_path, dsn, api, "desk")
        desk.ok("import", str(tmp_path / "export.csv"))
        with hosts.running(sites):
            _hold_the_probe(desk, api)
            _cut_prober(desk, sites)
            api.control(body={"mode": "ok"})
            hosts.becomes(desk, ":api", "closed")
            for shore in shores:
                shore.heal()
            hosts.until(lambda: hosts.beating(desk) == 4, timeout_s=120, what="all are back")
            hosts.progress(desk, 50)
        _check_alone(desk, api)


def _cut_prober(desk: fleet.Site, sites: list[islands.Site]) -> None:
    host, _ = hosts.until(lambda: hosts.prober(desk), what="somebody probes")
    [victim] = [one for one in sites if one.folder.name == host]
    victim.island.cut()
    begun = time.monotonic()
    hosts.until(
        lambda: (hosts.prober(desk) or (host, 0))[0] != host,
        timeout_s=90,
        what="a probe by the other host",
    )
    print(f"the other host probed {time.monotonic() - begun:.1f} s after the prober was cut off")
    assert len(fleet.workers(victim)) == 2  # alive, and cut off
