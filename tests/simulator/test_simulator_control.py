"""The control address: modes, matching, the log, and agreement between processes."""

import json
import threading
import time

import pytest
import urllib3

from noggin_mp.domain import errors
from tests.support.sim import Sim


def statuses(sim: Sim, count: int = 12) -> set[int]:
    """The statuses of `count` requests, each on a connection of its own."""
    seen = set()
    for _ in range(count):
        headers = sim.running.headers | {"connection": "close"}
        seen.add(sim.get(sim.record_path(sim.first("TA")), headers=headers).status)
    return seen


@pytest.mark.parametrize(
    ("patch", "status", "retry_after"),
    [
        ({"mode": "503"}, 503, None),
        ({"mode": "503", "retry_after": 5}, 503, "5"),
        ({"mode": "429"}, 429, None),
        ({"mode": "429", "retry_after": "nonsense"}, 429, "nonsense"),
        ({"mode": "401"}, 401, None),
        ({"mode": "fraction", "fraction": 1}, 503, None),
    ],
)
def test_mode_holds_in_every_process_once_posted(
    sim: Sim, patch: dict[str, object], status: int, retry_after: str | None
) -> None:
    sim.running.control(**patch)
    assert statuses(sim) == {status}
    answer = sim.get(sim.record_path(0))
    assert answer.headers.get("retry-after") == retry_after
    sim.running.control(mode="ok")
    assert statuses(sim) == {200}


def test_mode_retry_after_can_be_a_date(sim: Sim) -> None:
    sim.running.control(mode="429", retry_after="date:30")
    assert sim.get(sim.record_path(0)).headers["retry-after"].endswith(" GMT")


def test_mode_fraction_hits_only_some(sim: Sim) -> None:
    sim.running.control(mode="500", fraction="40%")
    seen = [sim.get(sim.record_path(sim.first("TA"))).status for _ in range(200)]
    assert 40 <= seen.count(500) <= 120
    assert seen.count(200) == 200 - seen.count(500)


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ({"role": "media"}, {"media"}),
        ({"role": "api"}, {"record", "other agent"}),
        ({"user_agent": "fleet-b"}, {"other agent"}),
        ({"path": "/rest/object/trailerAudits/"}, {"record", "other agent"}),
        ({"tip": "TIP"}, {"record", "other agent"}),
        ({"tip": "0" * 64}, set()),
    ],
)
def test_mode_is_limited_to_what_it_matches(sim: Sim, match: dict[str, str], hit: set[str]) -> None:
    number = sim.first("TA")
    if match.get("tip") == "TIP":
        match = {"tip": sim.world.tip(number)}
    sim.running.control(mode="502", match=match)
    agent = sim.running.headers | {"user-agent": "noggin/1 fleet-b"}
    seen = {
        "record": sim.get(sim.record_path(number)).status,
        "other agent": sim.get(sim.record_path(number), headers=agent).status,
        "media": sim.get(sim.media_path()).status,
    }
    assert {name for name, status in seen.items() if status == 502} == hit


def test_rules_are_tried_in_order(sim: Sim) -> None:
    sim.running.control(
        rules=[{"mode": "404", "match": {"role": "media"}}, {"mode": "500"}, {"mode": "501"}]
    )
    assert sim.get(sim.media_path()).status == 404
    assert sim.get(sim.record_path(0)).status == 500


def test_token_can_be_changed_while_running(sim: Sim) -> None:
    sim.running.control(token="another")
    assert statuses(sim) == {401}
    headers = sim.running.headers | {"authorization": "Bearer another"}
    assert sim.get(sim.record_path(sim.first("TA")), headers=headers).status == 200


def test_latency_delays_each_answer(sim: Sim) -> None:
    sim.running.control(latency_ms="60-80")
    before = sim.running.control()["log"]["bytes"]
    for _ in range(5):
        assert sim.get(sim.record_path(sim.first("TA"))).status == 200
    lines = sim.running.log(since=before)
    assert len(lines) == 5
    assert all(line["duration_us"] >= 60_000 for line in lines)


def test_refused_patch_changes_nothing_and_says_why(sim: Sim) -> None:
    before = sim.running.control("/state")
    with pytest.raises(errors.UsageError, match="did you mean 'stall'"):
        sim.running.control(token="x", faults="stal=1%")
    assert sim.running.control("/state") == before


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"mode=503&retry_after=2", 200), (b'{"mode":', 400), (b"???", 400), (b'{"mode":"ok"}', 200)],
)
def test_control_takes_json_or_a_form(sim: Sim, body: bytes, status: int) -> None:
    answer = sim.running.http.request("POST", str(sim.running.control_url), body=body)
    assert answer.status == status
    assert ("error" in answer.json()) == (status == 400)


def test_control_is_hidden_behind_its_secret(sim: Sim) -> None:
    url = str(sim.running.control_url)
    origin = url[: url.index("/", 8)]
    for path in ("/control", "/", "/control/stats", f"/{'0' * 32}/control"):
        assert urllib3.request("GET", origin + path, retries=False).status == 404
        assert urllib3.request("POST", origin + path, retries=False, body=b"{}").status == 404
    assert sim.get("/control").status == 404


def test_truth_covers_the_whole_world(sim: Sim) -> None:
    page = sim.running.control("/truth?offset=0&limit=1000")
    assert page["tips"] == len(page["truth"]) == sim.world.tips
    assert page["truth"][3] == sim.world.truth(sim.world.place(3))
    part = sim.running.control("/truth?offset=118&limit=10")
    assert [truth["number"] for truth in part["truth"]] == [118, 119]
    assert sim.running.truth("unheard-of") == {
        "tip": "unheard-of",
        "exists": False,
        "attachments": [],
    }


def test_log_has_every_request_with_monotonic_times(sim: Sim) -> None:
    since = sim.running.control()["log"]["bytes"]
    begun = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    path = sim.record_path(sim.first("CCC"))
    for _ in range(3):
        sim.get(path, headers=sim.running.headers | {"user-agent": 'quoted "agent" \\ é'})
    sim.get(path, headers={})
    ended = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    lines = sim.running.log(since=since)
    assert [line["status"] for line in lines] == [200, 200, 200, 401]
    assert [line["token"] for line in lines] == [True, True, True, False]
    times = [moment for line in lines for moment in (line["start_ns"], line["end_ns"])]
    assert times == sorted(times)
    assert begun < times[0] <= times[-1] < ended
    first = lines[0]
    assert (first["method"], first["path"], first["role"]) == ("GET", path, "api")
    assert first["tip"] == path.rpartition("/")[2]
    assert first["user_agent"].startswith('quoted "agent" \\')
    assert first["bytes"] == len(sim.get(path).data)
    assert sim.running.log(since=since, since_ns=lines[2]["end_ns"])[0] == lines[3]


def test_counters_add_up_when_many_clients_ask_at_once(sim: Sim) -> None:
    sim.running.control("/reset")
    sim.running.control(faults="503=20%", max_faults_per_tip=0)
    path, seen, since = sim.record_path(sim.first("TA")), [], sim.running.control()["log"]["bytes"]

    def ask() -> None:
        pool = urllib3.PoolManager(retries=False)
        url, headers = sim.running.base_url + path, sim.running.headers
        seen.extend(pool.request("GET", url, headers=headers).status for _ in range(100))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while {line["slot"] for line in sim.running.log(since=since)} != {0, 1}:
        # One process may have taken all eight connections.
        assert len(seen) < 2000
        one_more = sim.running.headers | {"connection": "close"}
        seen.append(sim.get(path, headers=one_more).status)
    stats = sim.running.control("/stats")
    assert stats["requests"] == stats["api"] == len(seen) >= 800
    assert stats["by_status"] == {str(status): seen.count(status) for status in sorted(set(seen))}
    lines = sim.running.log(since=since)
    assert len(lines) == len(seen)
    assert sum(line["bytes"] for line in lines) == stats["bytes"]
    assert sum(line["fault"] == "503" for line in lines) == stats["faults"]


def test_reset_zeroes_counters_but_not_connections(sim: Sim) -> None:
    sim.get(sim.record_path(0))
    stats = sim.running.control("/reset")["stats"]
    assert stats["requests"] == stats["bytes"] == stats["faults"] == 0
    assert stats["by_status"] == {}
    assert stats["connections"] >= 1
    assert json.dumps(stats)
