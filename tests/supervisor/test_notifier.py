"""What systemd is told: its words, on its socket, short, and said again when it did not hear."""

import contextlib
import socket
import uuid
from pathlib import Path

import pytest

from noggin_mp.supervisor import notify


@pytest.mark.parametrize("abstract", [False, True])
def test_notifier_speaks_systemds_words_when_a_socket_listens(
    tmp_path: Path, abstract: bool
) -> None:
    name = f"noggin-test-{uuid.uuid4()}"
    address = f"@{name}" if abstract else str(tmp_path / "notify")
    environ = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000", "HOME": "/"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.settimeout(5)
        server.bind("\0" + name if abstract else address)
        notifier = notify.Notifier.take(environ)
        notifier.ready("4 workers")
        notifier.alive()
        notifier.reloading()
        notifier.stopping("asked")
        heard = [server.recv(1000).decode() for _ in range(4)]

    assert environ == {"HOME": "/"}
    assert heard[0] == "READY=1\nSTATUS=4 workers"
    assert heard[1] == "WATCHDOG=1"
    assert heard[2].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert int(heard[2].rpartition("=")[2]) > 0
    assert heard[3] == "STOPPING=1\nSTATUS=asked"
    notifier.alive()  # nobody listens any more


def test_notifier_says_one_short_line_when_the_reason_is_long_or_has_lines(tmp_path: Path) -> None:
    """systemd ignores a datagram of 4096 bytes, with READY=1 in it, and splits at \\r as well."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.settimeout(5)
        server.bind(str(tmp_path / "notify"))
        notifier = notify.Notifier(str(tmp_path / "notify"))
        notifier.ready("\U0001f4a5" * 2000)
        notifier.stopping("asked\rMAINPID=1\nby me")
        long, lines = server.recv(100_000), server.recv(100_000)
        notifier.close()

    assert long.startswith(b"READY=1\nSTATUS=")
    assert len(long) < 4096
    assert lines == b"STOPPING=1\nSTATUS=asked MAINPID=1 by me"


@pytest.mark.parametrize("address", [None, "", "relative"])
def test_notifier_is_silent_when_nobody_asked(address: str | None) -> None:
    notify.Notifier(address).ready("fine")


def test_notifier_says_it_again_when_the_queue_was_full(tmp_path: Path) -> None:
    """A READY that is lost ends the service when systemd's patience with its start ends."""
    address = str(tmp_path / "notify")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others,
    ):
        listener.bind(address)
        listener.setblocking(False)
        others.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while others.sendto(b"other", address):
                pass
        notifier = notify.Notifier(address)
        notifier.ready("4 workers")
        notifier.alive()
        assert heard(listener) == []

        notifier.alive()
        assert heard(listener) == ["READY=1\nSTATUS=4 workers", "WATCHDOG=1"]
        notifier.close()


def heard(listener: socket.socket) -> list[str]:
    """What lies there, without what others said."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while text := listener.recv(4096).decode():
            found.append(text)
    return [text for text in found if text != "other"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"WATCHDOG_USEC": "3000000"}, 1.5), ({"WATCHDOG_USEC": "x"}, None), ({}, None)],
)
def test_notifier_knows_how_often_it_must_be_heard(
    given: dict[str, str], expected: float | None
) -> None:
    environ = {"NOTIFY_SOCKET": "@nobody", **given}
    notifier = notify.Notifier.take(environ)
    notifier.close()

    assert notifier.ping_s == (expected or float("inf"))
    assert environ == {}
