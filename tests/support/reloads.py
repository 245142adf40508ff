"""Reloads of a real fleet: ask for one, wait for its end, look at what it did."""

import os
import signal
from pathlib import Path
from typing import Any

from tests.support import fleet, wait


def number(site: fleet.Site) -> int:
    """How many reloads have begun."""
    return int(fleet.supervisor_file(site).get("reload", {}).get("number", 0))


def hup(site: fleet.Site, *, timeout_s: float = 120.0) -> dict[str, Any]:
    """Signal HUP, and wait for the end of that reload: what supervisor.json says of it."""
    before = number(site)
    os.kill(int(fleet.supervisor_file(site)["pid"]), signal.SIGHUP)
    return ended(site, before + 1, timeout_s=timeout_s)


def ended(site: fleet.Site, at_least: int, *, timeout_s: float = 120.0) -> dict[str, Any]:
    """How the reload with this number ended."""

    def last() -> dict[str, Any]:
        found: dict[str, Any] = fleet.supervisor_file(site).get("reload", {}).get("last") or {}
        return found if found.get("number", 0) >= at_least else {}

    return wait.until(last, timeout_s=timeout_s, what=f"end of reload {at_least}")


def pids(site: fleet.Site) -> list[int]:
    """The process ids of workers and monitor, in the order of their slots."""
    said = fleet.supervisor_file(site)
    return [slot["pid"] for slot in [*said["slots"], said["monitor"]]]


def running(site: fleet.Site, workers: int, *, timeout_s: float = 120.0) -> dict[int, int]:
    """Wait until so many workers are at work: process ids by slot."""

    def all_there() -> dict[int, int]:
        said = fleet.supervisor_file(site)
        found = {s["slot"]: s["pid"] for s in said.get("slots", []) if s["state"] == "running"}
        well = (said.get("monitor") or {}).get("state") == "running"
        same = len(found) == workers == len(said.get("slots", []))
        return found if same and well else {}

    return wait.until(all_there, timeout_s=timeout_s, what=f"{workers} workers at work")


def job_threads(pid: int) -> int:
    """How many job threads a worker has. Threads bear their Python names since 3.14 only."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
