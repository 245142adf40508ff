"""Real fleets of tiny children, each supervised by a process of its own."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.supervisor import holdings, pidfile
from tests.support.wait import until

REPOSITORY = Path(__file__).resolve().parents[2]


class Host:
    """One supervisor process, its state folder and its children's journal."""

    def __init__(self, folder: Path, wish: dict[str, Any], env: dict[str, str]) -> None:
        self.state = folder / "state"
        self.journal = folder / "journal"
        self.errors = folder / "stderr"
        self.settings = {
            "paths": {name: str(folder / name) for name in ("state", "input", "output", "log")},
            "fleet": {"workers": 2, "grace_s": 5, "watchdog_s": 60} | wish.pop("fleet", {}),
            "monitor": {"bind": wish.pop("bind", "127.0.0.1:0")},
            "api": wish.pop("api", {}),
        }
        stdin, stderr = wish.pop("stdin", subprocess.DEVNULL), wish.pop("stderr", None)
        wish = {"settings": self.settings, **wish}
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.fleet_host", json.dumps(wish)],
                cwd=REPOSITORY,
                env=os.environ | {"JOURNAL": str(self.journal)} | env,
                stdin=stdin,
                stdout=errors,
                stderr=errors if stderr is None else stderr,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self) -> dict[str, Any]:
        return pidfile.read_state(self.state)

    def notes(self, event: str = "", **fields: object) -> list[dict[str, Any]]:
        with contextlib.suppress(FileNotFoundError):
            lines = self.journal.read_text().splitlines()
            notes = [json.loads(line) for line in lines]
            wanted = {"event": event, **fields} if event else fields
            return [note for note in notes if wanted.items() <= note.items()]
        return []

    def stderr(self) -> str:
        return self.errors.read_text()

    def workers(self) -> dict[int, int]:
        """Running workers: pid by slot."""
        slots = self.said()["slots"]
        return {slot["slot"]: slot["pid"] for slot in slots if slot["state"] == "running"}

    def until_running(self, workers: int = 2) -> dict[int, int]:
        def all_there() -> bool:
            assert self.process.poll() is None, self.stderr()
            said = self.said()
            monitor = said.get("monitor") or {}
            return len(self.workers()) == workers and monitor.get("state") == "running"

        until(all_there, what=f"{workers} workers and a monitor run")
        return self.workers()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 20.0) -> int:
        return self.process.wait(timeout_s)

    def children(self) -> set[int]:
        return {note["pid"] for note in self.notes("started") if alive(note["pid"])}

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)


def alive(pid: int) -> bool:
    """True for a process that runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


Start = Callable[..., Host]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts supervisors; all of them are gone, with their children, after the test."""
    hosts: list[Host] = []

    def start_one(*, env: dict[str, str] | None = None, **wish: Any) -> Host:
        hosts.append(Host(tmp_path, wish, env or {}))
        return hosts[-1]

    yield start_one
    for host in hosts:
        host.end()
    for host in hosts:
        until(lambda host=host: not host.children(), what="every child is gone")
        shutil.rmtree(holdings.metrics_folder(host.state), ignore_errors=True)
