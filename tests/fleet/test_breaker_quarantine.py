"""A worker whose own network is broken: it is taken out, seen, and comes back; nobody pays."""

import json
from pathlib import Path

import pytest

from tests.support import fleet, hosts

WORK = ["--types", "TA", "--latency-ms", "150", "--missing", "0"]
SCOPE = "127.0.0.1:api"


@pytest.mark.slow
def test_worker_is_quarantined_and_recovers_when_only_its_own_network_is_broken(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=5000, options=WORK) as api:
        sites = [hosts.site(tmp_path, migrated, api, name) for name in ("ann", "bob")]
        sites[0].ok("import", str(tmp_path / "export.csv"))
        with hosts.running(sites):
            hosts.progress(sites[0], 30)
            api.control(body={"mode": "reset", "match": {"user_agent": " ann/1"}})
            hosts.until(lambda: hosts.event(sites[0], "quarantine", scope=":api"))
            _check_seen(sites[0])
            _check_others_work(sites[0], api)
            api.control(body={"mode": "ok"})
            hosts.until(lambda: _quarantined(sites[0]) == 0, what="it is back")
            since_ns = api.control()["log"]["now_ns"]
            hosts.until(
                lambda: (
                    sum(" ann/1" in one["user_agent"] for one in api.log(since_ns=since_ns)) > 8
                ),
                what="it works like the others",
            )
    assert hosts.charged(sites[0]) == []
    assert hosts.event(sites[0], "trip", scope=":api") == {}


def _quarantined(site: fleet.Site) -> int:
    [row] = json.loads(site.ok("breaker", "show", SCOPE, "--json"))["breakers"]
    return int(row["quarantined"])


def _check_seen(site: fleet.Site) -> None:
    event = hosts.event(site, "quarantine", scope=":api")
    assert event["worker"] == "ann/1"
    hosts.until(lambda: _quarantined(site) == 1)
    assert "quarantine" in site.ok("breaker", "events")
    assert "in quarantine" in site.ok("status")
    hosts.until(lambda: _notes(site) == ["breaker.quarantine"], what="the one note")


def _notes(site: fleet.Site) -> list[str]:
    return [one["code"] for one in json.loads(site.ok("health", "--json"))["notes"]]


def _check_others_work(site: fleet.Site, api: fleet.Simulator) -> None:
    """The fleet goes on; the sick worker sends one request now and then."""
    since_ns = api.control()["log"]["now_ns"]
    hosts.progress(site, 150)
    requests = api.log(since_ns=since_ns)
    sick = [one for one in requests if " ann/1" in one["user_agent"]]
    print(f"of {len(requests)} requests the quarantined worker made {len(sick)}")
    lasted_s = (max(one["end_ns"] for one in requests) - since_ns) / 1e9
    assert len(sick) < 5 + 2 * lasted_s  # its eight threads would make fifty in a second
    assert hosts.in_pairs(sick) == []
    assert hosts.state(site, ":api") == "closed"
