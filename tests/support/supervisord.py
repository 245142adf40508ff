"""A real supervisord with the programs that `noggin-mp init` writes for it."""

import contextlib
import http.client
import os
import pwd
import re
import subprocess
import sys
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support import fleet, postgres
from tests.support.wait import until

CONF = "supervisord/supervisord.conf"


class Supervisord:
    """supervisord over one site, and supervisorctl."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.start()

    def start(self) -> None:
        """Start it, once more after it was killed; done when it answers."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(self.home / CONF)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=self.home, start_new_session=True,
        )  # fmt: skip
        until(self.pids, timeout_s=120, what="supervisord to start something")

    def kill(self) -> None:
        """End it as suddenly as can be."""
        self.process.kill()
        self.process.wait()

    def ctl(self, *words: str, timeout_s: float = 300) -> "subprocess.CompletedProcess[str]":
        """supervisorctl, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(self.home / CONF), *words],
            capture_output=True, text=True, check=False, timeout=timeout_s, cwd=self.home,
        )  # fmt: skip

    def pids(self) -> dict[str, int]:
        """The process id of every program that runs."""
        from supervisor import xmlrpc as transports

        address = f"unix://{self.home}/supervisord/supervisord.sock"
        with xmlrpc.client.ServerProxy(
            "http://127.0.0.1", transport=transports.SupervisorTransport(serverurl=address)
        ) as server:
            try:
                told: Any = server.supervisor.getAllProcessInfo()
            except (OSError, http.client.HTTPException):
                return {}
        return {one["name"]: one["pid"] for one in told if one["pid"]}

    @property
    def log(self) -> str:
        """What the programs wrote."""
        files = sorted((self.home / "var" / "log").glob("*.log"))
        return "".join(file.read_text("utf-8", "replace") for file in files)

    def left(self) -> list[int]:
        """Living processes that any of our programs started."""
        return [pid for pid in descendants(self.home) if pid != self.process.pid]


def descendants(home: Path) -> list[int]:
    """Every living process of an installation: titles hide command lines, environments do not."""
    found = []
    mark = f"NOGGIN_TEST_HOME={home}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return [pid for pid in found if fleet.alive(pid)]


@contextlib.contextmanager
def running(site: fleet.Site, *options: str) -> Iterator[Supervisord]:
    """supervisord with what `init --supervisord` writes in a folder of its own, started."""
    home = postgres.scratch() / "home"  # short: a socket's path has 108 characters at most
    done = subprocess.run(
        [*fleet.PROGRAM, "init", "--dir", str(home), "--supervisord", "--user",
         pwd.getpwuid(os.geteuid()).pw_name, *options],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    site.config = home / "config" / "noggin.yaml"
    site.write()
    for file in (home / "supervisord").glob("noggin-mp*.conf"):
        text = file.read_text()
        # So that every process can be found again, whatever it calls itself.
        text = text.replace("environment=", f'environment=NOGGIN_TEST_HOME="{home}",')
        # Here things are killed sooner than anywhere else; that is no failure to start.
        file.write_text(re.sub("startsecs=[0-9]+", "startsecs=1", text))
    daemon = Supervisord(home)
    try:
        yield daemon
    finally:
        if daemon.process.poll() is None:
            daemon.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.process.wait(60)
        daemon.kill()
        for pid in daemon.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
