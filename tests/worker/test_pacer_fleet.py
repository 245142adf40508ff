"""Slots of several real processes on one database: the pace is the fleet's."""

import json
import subprocess
import sys
from pathlib import Path

from noggin_mp.domain import pacing
from tests.support.wait import until

RATE = "20/s, 90/5s"
GRANTS = 110
PROCESSES = 4
KNOWN = 3
"""From so many grants on a process knows how long the way to the database is."""


def _grants(journal: Path) -> list[float]:
    """When requests began, from when every process was at it."""
    lines = journal.read_bytes().rpartition(b"\n")[0].splitlines()
    begun = [event for event in map(json.loads, lines) if event["event"] == "begun"]
    by_slot: dict[int, list[float]] = {}
    for event in begun:
        by_slot.setdefault(event["slot"], []).append(event["at"])
    if len(by_slot) < PROCESSES or any(len(times) < KNOWN for times in by_slot.values()):
        return []
    since = max(sorted(times)[KNOWN - 1] for times in by_slot.values())
    return sorted(event["at"] for event in begun if event["at"] >= since)


def test_gates_keep_every_window_when_four_processes_have_more_work_than_slots(
    migrated: str, tmp_path: Path
) -> None:
    journal, mood = tmp_path / "journal", tmp_path / "mood"
    journal.touch()
    mood.write_text("ok")
    members = []
    for slot in range(PROCESSES):
        arguments = {
            "dsn": migrated, "slot": slot, "threads": 8, "policy": {}, "rate": RATE,
            "journal": str(journal), "mood": str(mood),
        }  # fmt: skip
        members.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.support.gate_host", json.dumps(arguments)],
                stdin=subprocess.PIPE,
                cwd=Path(__file__).parents[2],
            )
        )
    until(lambda: len(_grants(journal)) >= GRANTS, timeout_s=180, every_s=0.2)
    for member in members:
        assert member.stdin is not None
        member.stdin.close()
    assert [member.wait(timeout=60) for member in members] == [0] * PROCESSES

    times = _grants(journal)
    for window in pacing.parse(RATE):
        spans = [b - a for a, b in zip(times, times[window.limit :], strict=False)]
        assert min(spans) >= window.seconds, window
