"""The gate in several real processes on one database: all stop together, one probes."""

import functools
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.store import breaker as store
from noggin_mp.store import history, session
from tests.support import wait

until = functools.partial(wait.until, timeout_s=120.0)
API = "api.example:api"
POLICY = {
    "open_duration_s": 0.3,
    "open_max_s": 0.5,
    "probe_deadline_s": 1.0,
    "recovery_ramp_s": 0.2,
    "pause_default_s": 0.6,
}


class Fleet:
    def __init__(self, dsn: str, folder: Path) -> None:
        self.journal = folder / "journal"
        self.journal.touch()
        self._mood = folder / "mood"
        self._folder = folder
        self._dsn = dsn
        self.members: dict[int, subprocess.Popen[bytes]] = {}
        self.mood("ok")

    def mood(self, mood: str) -> None:
        new = self._folder / uuid.uuid4().hex
        new.write_text(mood)
        new.replace(self._mood)

    def start(self, processes: int, *, threads: int) -> None:
        for slot in range(processes):
            arguments = {
                "dsn": self._dsn,
                "slot": slot,
                "threads": threads,
                "policy": POLICY,
                "journal": str(self.journal),
                "mood": str(self._mood),
            }
            self.members[slot] = subprocess.Popen(
                [sys.executable, "-m", "tests.support.gate_host", json.dumps(arguments)],
                stdin=subprocess.PIPE,
                cwd=Path(__file__).parents[2],
            )
        for event in ("ended", "listening"):
            until(all_of(self, event, processes), what="every process works and hears")

    def events(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        lines = self.journal.read_bytes().rpartition(b"\n")[0].splitlines()
        found = [json.loads(line) for line in lines]
        wanted = {"event": event, **fields}
        return [e for e in found if wanted.items() <= e.items()]

    def stop(self) -> None:
        for member in self.members.values():
            assert member.stdin is not None
            member.stdin.close()
        for member in self.members.values():
            member.wait(timeout=60)


@pytest.fixture
def fleet(migrated: str, tmp_path: Path) -> Iterator[Fleet]:
    running = Fleet(migrated, tmp_path)
    yield running
    running.mood("ok")
    running.stop()


def all_of(fleet: Fleet, event: str, processes: int, **fields: Any) -> Callable[[], bool]:
    """Whether every process has noted this."""
    return lambda: len({e["slot"] for e in fleet.events(event, **fields)}) == processes


def begun_since_heard(fleet: Fleet, state: str, processes: int) -> list[float]:
    """When requests began in each process after it had heard of the state, once all work again."""
    heard = [fleet.events("changed", slot=slot, state=state)[0]["at"] for slot in range(processes)]

    def later() -> list[dict[str, Any]]:
        found = [e for e in fleet.events("begun") if e["at"] > heard[e["slot"]]]
        return found if len({e["slot"] for e in found}) == processes else []

    return [e["at"] for e in until(later, what="work goes on, without any writer")]


def test_gate_grants_nothing_in_any_process_once_it_heard_of_an_opening(
    fleet: Fleet, conn: session.Connection
) -> None:
    fleet.start(8, threads=2)
    forced_at = time.monotonic()
    store.force(conn, scope="api.example", verb="open", who="me", reason="test", seconds=1)
    until(all_of(fleet, "changed", 8, state="forced_open"))
    # A little less than its second, which Postgres counts by another clock.
    assert min(begun_since_heard(fleet, "forced_open", 8)) > forced_at + 0.98


def spans(fleet: Fleet, killed: dict[int, float]) -> list[tuple[float, float]]:
    """When a probe was in flight, in order of beginning; a killed process's ended with it."""
    ends = {(e["pid"], e["number"]): e["at"] for e in fleet.events("ended", probe=True)}
    found = []
    for begun in fleet.events("begun", probe=True):
        end = ends.get((begun["pid"], begun["number"]), killed.get(begun["pid"]))
        assert end is not None, begun
        found.append((begun["at"], end))
    return sorted(found)


def test_fleet_stops_probes_one_by_one_and_comes_back_when_an_outage_ends(fleet: Fleet) -> None:
    fleet.start(4, threads=4)
    fleet.mood("fail")
    until(all_of(fleet, "changed", 4, state="open"))
    until(lambda: len(fleet.events("verdict", why="probe", mood="fail")) >= 3)
    fleet.mood("hang")
    held = until(lambda: _hanging(fleet))
    killed_at = time.monotonic()
    os.kill(fleet.members[held["slot"]].pid, signal.SIGKILL)
    fleet.members[held["slot"]].wait(timeout=60)
    until(
        lambda: (
            [e for e in fleet.events("begun", probe=True) if e["pid"] != held["pid"]]
            and _hanging(fleet, but=held["pid"])
        ),
        what="somebody else probes",
    )
    fleet.mood("ok")
    until(lambda: fleet.events("changed", state="closed"))
    until(lambda: len(fleet.events("begun", probe=False)) > 400, what="it is back at work")
    flights = spans(fleet, {held["pid"]: killed_at})
    assert len(flights) >= 6
    for (_, end), (begin, _) in itertools.pairwise(flights):
        assert end <= begin
    assert not fleet.events("verdict", mood="fail", charged=True)


def _hanging(fleet: Fleet, but: int = 0) -> dict[str, Any] | None:
    ended = {(e["pid"], e["number"]) for e in fleet.events("ended")}
    begun = [e for e in fleet.events("begun", probe=True) if e["pid"] != but]
    return next((e for e in begun if (e["pid"], e["number"]) not in ended), None)


# A worker that is asleep for seconds is none of those at work, by which the limit is reckoned.
AWAKE = """
CREATE FUNCTION awake() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.heartbeat_at := NEW.heartbeat_at + interval '1 hour';
    RETURN NEW;
END $$;
CREATE TRIGGER awake BEFORE INSERT OR UPDATE ON fleet_workers
    FOR EACH ROW EXECUTE FUNCTION awake();
"""


def test_fleet_trips_within_its_leak_bound_when_every_request_fails(
    fleet: Fleet, conn: session.Connection
) -> None:
    conn.execute(AWAKE)
    fleet.start(8, threads=1)
    fleet.mood("fail")
    until(all_of(fleet, "changed", 8, state="open"))
    [trip] = [e for e in history.events(conn, limit=100_000) if e["event_type"] == "trip"]
    assert trip["details"]["streak"] >= 8  # max(fail_max, busy workers)
    failed = [e for e in fleet.events("verdict", mood="fail") if e["why"] != "probe"]
    assert len(failed) <= 8 + 2 * 8
    assert not any(e["charged"] for e in failed)


def test_fleet_sends_nothing_before_a_pause_ends(fleet: Fleet) -> None:
    fleet.start(4, threads=2)
    fleet.mood("429")
    until(lambda: fleet.events("verdict", why="paused"))
    fleet.mood("ok")
    until(all_of(fleet, "changed", 4, state="paused"))
    # Whichever pause a process heard of, it began with the first 429 or later; it takes whole
    # seconds, which Postgres counts by another clock.
    first = min(e["at"] for e in fleet.events("verdict", why="paused"))
    assert min(begun_since_heard(fleet, "paused", 4)) > first + 0.98
    assert not fleet.events("verdict", mood="429", charged=True)


def test_fleet_stops_for_a_refused_token_and_charges_nobody(
    fleet: Fleet, conn: session.Connection
) -> None:
    fleet.start(3, threads=2)
    fleet.mood("401")
    until(lambda: len({e["slot"] for e in fleet.events("refused", reason="auth_stop")}) == 3)
    assert len(fleet.events("verdict", mood="401")) <= 6  # what was in flight
    assert not fleet.events("verdict", mood="401", charged=True)
    assert {r["scope"]: r["state"] for r in store.show(conn)}["api.example"] == "auth_stop"
    fleet.mood("ok")
    store.force(conn, scope="api.example", verb="close", who="me", reason="token is fine")
    before = len(fleet.events("ended"))
    until(lambda: len(fleet.events("ended")) > before + 20)
