"""What systemd hears of a real fleet, on a real datagram socket in the abstract name space."""

import itertools
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import fleet
from tests.support.wait import until


class Systemd:
    """The listening end of the protocol, and all it has heard, each with when."""

    def __init__(self, name: str) -> None:
        self.address = f"@{name}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{name}")
        self._socket.settimeout(60)
        self.heard: list[str] = []

    def hear(self, word: str) -> str:
        """The next datagram that begins with `word`; what came before it was heard too."""
        while True:
            self.heard.append(self._socket.recv(4096).decode())
            if self.heard[-1].startswith(word):
                return self.heard[-1]

    def waiting(self) -> int:
        """How many datagrams lie there; they are read."""
        count = 0
        self._socket.setblocking(False)
        try:
            while self._socket.recv(4096):
                count += 1
        except BlockingIOError:
            return count
        finally:
            self._socket.settimeout(60)
        return count

    def close(self) -> None:
        self._socket.close()


@pytest.mark.slow
def test_systemd_hears_the_whole_story_when_a_fleet_runs(tmp_path: Path, migrated: str) -> None:
    systemd = Systemd(f"noggin-test-{os.getpid()}-{time.monotonic_ns()}")
    with fleet.simulator(tmp_path, tips=4) as api:
        site = fleet.Site(tmp_path, migrated, api, fleet={"workers": 1, "threads": 1})
        with (tmp_path / "fleet.log").open("wb") as log:
            process = subprocess.Popen(
                site.command("run"), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=os.environ | {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": "30000000"},
            )  # fmt: skip
        try:
            _story(systemd, process, site)
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
            systemd.close()


def _story(systemd: Systemd, process: "subprocess.Popen[bytes]", site: fleet.Site) -> None:
    systemd.hear("READY=1")
    systemd.hear("WATCHDOG=1")
    _hung(systemd, process)

    site.settings["log"] = {"level": "warning"}
    site.write()
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    process.send_signal(signal.SIGHUP)
    stamp = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", systemd.hear("RELOADING=1"))
    assert stamp is not None
    assert before_us <= int(stamp[1]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    systemd.hear("READY=1")
    systemd.hear("WATCHDOG=1")
    process.send_signal(signal.SIGTERM)
    systemd.hear("STOPPING=1")
    assert process.wait(60) == 0, site.log[-2000:]

    told = [text.partition("=")[0] for text in systemd.heard]
    story = [word for word in told if word != "WATCHDOG"]  # it was waited for at its places
    assert [word for word, _ in itertools.groupby(story)] == [
        "READY", "RELOADING", "READY", "STOPPING"
    ], systemd.heard  # fmt: skip


def _hung(systemd: Systemd, process: "subprocess.Popen[bytes]") -> None:
    """A loop that hangs feeds no watchdog; one that goes on feeds it again."""
    process.send_signal(signal.SIGSTOP)
    until(lambda: _state(process.pid) == "T", what="the supervisor to stop")
    systemd.waiting()

    assert signal.sigtimedwait([], 1.5) is None  # longer than a turn of the loop
    assert systemd.waiting() == 0
    process.send_signal(signal.SIGCONT)
    systemd.hear("WATCHDOG=1")


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
