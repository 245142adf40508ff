"""A fleet among others: a second supervisor, a taken port, systemd, and reloads."""

import contextlib
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noggin_mp.supervisor import listen, pidfile
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.supervisor.conftest import Start


def test_second_supervisor_is_refused_when_one_works_in_the_folder(start: "Start") -> None:
    first = start()
    first.until_running()
    second = start()

    assert second.wait() == 7
    assert f"already works in {first.state} as process {first.pid};" in second.stderr()
    assert first.said()["pid"] == first.pid
    assert len(first.notes("prepared")) == 1


def test_supervisor_starts_again_when_the_last_was_killed(start: "Start") -> None:
    first = start()
    first.until_running()
    first.signal(signal.SIGKILL)
    first.wait()
    second = start()

    second.until_running()
    assert second.said()["pid"] == second.pid


def test_supervisor_refuses_to_start_when_the_port_is_taken(start: "Start") -> None:
    with listen.bind(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        host = start(bind=f"127.0.0.1:{port}")

        assert host.wait() == 8
    assert f"port {port} on 127.0.0.1 is in use by process {os.getpid()} " in host.stderr()
    assert host.notes() == []


def test_supervisor_speaks_to_systemd_when_it_lives(start: "Start", tmp_path: Path) -> None:
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        host = start(
            env={"NOTIFY_SOCKET": str(tmp_path / "notify")}, reloads=[{"error": "line 3: no"}]
        )

        def hear(text: str) -> None:
            while True:
                heard.append(systemd.recv(1000).decode())
                if text in heard[-1]:
                    return

        hear("READY=1")
        host.until_running()
        host.signal(signal.SIGHUP)
        hear("RELOADING=1\nMONOTONIC_USEC=")
        hear("READY=1\nSTATUS=line 3: no")
        host.signal(signal.SIGTERM)
        hear("STOPPING=1")
        assert host.wait() == 0
    assert "WATCHDOG=1" in heard


def test_watchdog_is_not_fed_when_the_supervisor_hangs(start: "Start", tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        host = start(env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        host.until_running()
        host.freeze()
        systemd.setblocking(False)
        _swallow(systemd)

        assert signal.sigtimedwait([], 1.5) is None
        assert _swallow(systemd) == 0


def _swallow(server: socket.socket) -> int:
    count = 0
    while True:
        try:
            server.recv(1000)
        except BlockingIOError:
            return count
        count += 1


def test_supervisor_obeys_when_nobody_reads_its_log(start: "Start") -> None:
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while os.write(writer, b"-" * 4096):
                pass
        os.set_blocking(writer, True)
        host = start(stderr=writer)
        pids = host.until_running()
        os.kill(pids[0], signal.SIGKILL)
        host.until_succeeded(0, pids[0])
        host.signal(signal.SIGTERM)

        assert host.wait() == 0
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("gone", ["folder", "lock"])
def test_state_is_told_again_when_somebody_removes_it(start: "Start", gone: str) -> None:
    host = start()
    host.until_running()
    before = host.said()
    identity = pidfile.instance(host.state)
    host.freeze()  # or it would be back before anybody looks
    if gone == "folder":
        shutil.rmtree(host.state)
    else:
        (host.state / pidfile.LOCK_FILE).unlink()
    assert host.said()["state"] == "stopped"
    host.signal(signal.SIGCONT)

    until(lambda: host.said()["state"] == "running", timeout_s=60)
    assert host.said() == before
    assert pidfile.instance(host.state) == identity
    second = start()
    assert second.wait() == 7
    host.signal(signal.SIGTERM)
    assert host.wait() == 0
    assert host.stderr().count("state_folder_restored") == 1


def test_state_is_told_again_when_somebody_removes_its_file(start: "Start") -> None:
    host = start()
    host.until_running()
    before = host.said()
    (host.state / pidfile.STATE_FILE).unlink()
    assert host.said()["slots"] == []

    until(lambda: host.said() == before, timeout_s=30)


def test_state_is_true_again_when_its_file_can_be_written_again(start: "Start") -> None:
    host = start()
    pids = host.until_running()
    in_the_way = host.state / ".supervisor.json.new"
    in_the_way.mkdir()
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: "state_not_written" in host.stderr())
    until(lambda: len(host.children()) == 3, what="new workers and the monitor")
    in_the_way.rmdir()

    for slot, pid in pids.items():
        host.until_succeeded(slot, pid)
    until(lambda: "state_written" in host.stderr())
    assert host.stderr().count("state_not_written") == 1
