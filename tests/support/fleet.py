"""A whole world for tests: simulator, database, configuration, and the real console program."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.support import wait

PROGRAM = [sys.executable, "-m", "noggin_mp"]
SCHEMA = "noggin_schema"


class Simulator:
    """The fake API as a process, and its control."""

    def __init__(self, process: "subprocess.Popen[str]", told: dict[str, Any]) -> None:
        self.process = process
        self.base_url: str = told["base_url"]
        self.token: str = told["token"]
        self.namespace: str = told["namespace"]
        self.control_url: str = told["control_url"]

    def control(self, path: str = "", body: dict[str, Any] | None = None) -> Any:
        """Ask the control address, or tell it something."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control_url + path, data=data)  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
            text = answer.read().decode()
        return (
            json.loads(text) if text.strip().startswith(("{", "[")) and "\n{" not in text else text
        )

    def log(self, *, since_ns: int = 0) -> list[dict[str, Any]]:
        """The requests begun after `since_ns` of the machine's monotonic clock that have ended."""
        address = f"{self.control_url}/log?since_ns={since_ns}"
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - our own server
            return [json.loads(line) for line in answer.read().splitlines()]

    @property
    def stats(self) -> dict[str, Any]:
        """The simulator's counters."""
        found: dict[str, Any] = self.control()["stats"]
        return found


@contextlib.contextmanager
def simulator(
    folder: Path, *, tips: int, options: Sequence[str] = (), before: Sequence[str] = ()
) -> Iterator[Simulator]:
    """A running simulator with a control address; its export is `folder/export.csv`.

    `before` is a program that runs it.
    """
    command = [
        *before, *PROGRAM, "simulate", "--port", "0", "--control", "--tips", str(tips),
        "--media-bytes", "2000-6000", "--missing", "1%", "--export", str(folder / "export.csv"),
        *options,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Simulator(process, json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(60)


class Site:
    """One installation: a folder, a configuration, a database, and the program run on them."""

    def __init__(self, folder: Path, dsn: str, api: Simulator, **extra: dict[str, Any]) -> None:
        self.folder = folder
        self.dsn = dsn
        self.output = folder / "output"
        self.config = folder / "noggin.yaml"
        self.settings: dict[str, Any] = {
            "database": {"dsn": dsn},
            "api": {
                "base_url": api.base_url,
                "token": api.token,
                "namespace": api.namespace,
                # A simulator that is not scheduled for some seconds has not failed.
                "connect_timeout_s": 8,
                "read_timeout_s": 8,
                "deadline_s": 10,
            },
            "paths": {
                "state": str(folder / "state"),
                "output": str(self.output),
                "log": str(folder / "log"),
            },
            "queue": {"lease_s": 60, "poll_s": 0.5},
            "retry": {"max_attempts": 12, "backoff_base_s": 0.2, "max_s": 2},
            "attachments": {"min_free_bytes": 0},
            "monitor": {"bind": "off"},
            "breaker": {
                "defaults": {"open_duration_s": 1, "recovery_ramp_s": 1, "pause_default_s": 1}
            },
        }  # fmt: skip
        for section, values in extra.items():
            self.settings.setdefault(section, {}).update(values)
        self.write()

    def write(self) -> None:
        """Write the configuration as it stands in `settings`."""
        self.config.write_text(json.dumps(self.settings))

    def command(self, *words: str) -> list[str]:
        """The program with this site's configuration."""
        return [*PROGRAM, "-c", str(self.config), *words]

    def run(self, *words: str, timeout_s: float = 300) -> "subprocess.CompletedProcess[str]":
        """Run a verb to its end."""
        return subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def ok(self, *words: str, timeout_s: float = 300) -> str:
        """What a verb printed that ended with exit code 0."""
        done = self.run(*words, timeout_s=timeout_s)
        assert done.returncode == 0, (
            f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr[-4000:]}"
        )
        return done.stdout

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        """Start a verb in the background; its messages go to fleet.log."""
        with (self.folder / "fleet.log").open("ab") as log:
            return subprocess.Popen(
                self.command(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    @property
    def log(self) -> str:
        """The fleet's log so far."""
        return (self.folder / "fleet.log").read_text("utf-8", "replace")

    def status(self) -> dict[str, Any]:
        """What `status --json` says."""
        found: dict[str, Any] = json.loads(self.ok("status", "--json"))
        return found

    def connect(self) -> "psycopg.Connection[Any]":
        """A session of a person with psql."""
        return psycopg.connect(self.dsn, autocommit=True, options=f"-c search_path={SCHEMA},public")

    def value(self, query: str) -> Any:
        """The first column of the first row."""
        with self.connect() as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


@contextlib.contextmanager
def running(site: Site, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A fleet in the background, drained (or in the end killed) afterwards."""
    process = site.start("run", *words)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(90)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def supervisor_file(site: Site) -> dict[str, Any]:
    """supervisor.json as it stands; empty before there is one."""
    with contextlib.suppress(OSError, ValueError):
        found: dict[str, Any] = json.loads((site.folder / "state" / "supervisor.json").read_text())
        return found
    return {}


def workers(site: Site) -> dict[int, int]:
    """The living workers: slot -> process id."""
    return {
        int(slot["slot"]): int(slot["pid"])
        for slot in supervisor_file(site).get("slots", [])
        if slot.get("pid") and str(slot["slot"]).isdigit() and alive(int(slot["pid"]))
    }


def alive(pid: int) -> bool:
    """True when the process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def gone(pid: int, *, timeout_s: float = 60.0) -> None:
    """Wait until the process has ended."""
    wait.until(lambda: not alive(pid), timeout_s=timeout_s, what=f"end of process {pid}")


def ours(folder: Path) -> list[int]:
    """Every living process that was started with something below `folder` in its command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return [pid for pid in found if alive(pid)]
