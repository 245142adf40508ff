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
from tests.support.fleet import alive
from tests.support.wait import until

REPOSITORY = Path(__file__).resolve().parents[2]
FLEET = {"workers": 2, "grace_s": 60, "watchdog_s": 60}
"""What a test does not say otherwise: patience that a child on a busy machine never tries."""
PROGRAM = """
import json, sys
from tests.support import fleet_host
sys.exit(fleet_host.main(json.loads(sys.argv[1])))
"""
"""A supervisor's; `first` is what it does before."""


class Host:
    """One supervisor process, its state folder and its children's journal."""

    def __init__(self, folder: Path, wish: dict[str, Any], env: dict[str, str]) -> None:
        self.state = folder / "state"
        self.journal = folder / "journal"
        self.errors = folder / "stderr"
        self.settings = {
            "paths": {name: str(folder / name) for name in ("state", "input", "output", "log")},
            "fleet": FLEET | wish.pop("fleet", {}),
            "monitor": {"bind": wish.pop("bind", "127.0.0.1:0")},
            "api": wish.pop("api", {}),
        }
        stdin, stderr = wish.pop("stdin", subprocess.DEVNULL), wish.pop("stderr", None)
        program = f"{wish.pop('first', '')}\n{PROGRAM}"
        wish = {"settings": self.settings, **wish}
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, json.dumps(wish)],
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
        wanted = {"event": event, **fields} if event else fields
        return [note for note in noted(self.journal) if wanted.items() <= note.items()]

    def stderr(self) -> str:
        return self.errors.read_text()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The whole lines of the supervisor's log that tell of `event`."""
        whole, _, _ = self.stderr().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines() if f'"event": "{event}"' in line]

    def workers(self) -> dict[int, int]:
        """Running workers: pid by slot."""
        return running(self.said())

    def until_running(self, workers: int = 2) -> dict[int, int]:
        def all_there() -> dict[int, int]:
            assert self.process.poll() is None, self.stderr()
            said = self.said()
            monitor = said.get("monitor") or {}
            there = len(found := running(said)) == workers and monitor.get("state") == "running"
            return found if there else {}

        return until(all_there, timeout_s=60, what=f"{workers} workers and a monitor run")

    def until_succeeded(self, slot: int, old: int) -> int:
        """Wait until another worker than `old` runs in the slot: its process id."""
        return until(
            lambda: pid if (pid := self.workers().get(slot, old)) != old else 0,
            timeout_s=60,
            what=f"a successor of worker {slot}",
        )

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def freeze(self) -> None:
        """Stop the supervisor, and wait until it stands still; CONT lets it go on."""
        self.signal(signal.SIGSTOP)
        until(lambda: " T " in Path(f"/proc/{self.pid}/stat").read_text(), what="a standstill")

    def wait(self, timeout_s: float = 60.0) -> int:
        return self.process.wait(timeout_s)

    def children(self) -> set[int]:
        return {note["pid"] for note in self.notes("started") if alive(note["pid"])}

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(60)


def running(said: dict[str, Any]) -> dict[int, int]:
    """The running workers that a state file tells of: pid by slot."""
    return {slot["slot"]: slot["pid"] for slot in said["slots"] if slot["state"] == "running"}


def opened(pid: int) -> list[str]:
    """What a process has open, without what it closes meanwhile."""
    names = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.append(str(fd.readlink()))
    return names


def noted(journal: Path) -> list[dict[str, Any]]:
    """What children have noted so far; a line that is just being written is none yet."""
    with contextlib.suppress(FileNotFoundError):
        whole, _, _ = journal.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]
    return []


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
        until(lambda host=host: not host.children(), timeout_s=60, what="every child is gone")
        shutil.rmtree(holdings.metrics_folder(host.state), ignore_errors=True)


@pytest.fixture
def pipe() -> tuple[int, int]:
    """Both ends, the reading one first."""
    return os.pipe()
