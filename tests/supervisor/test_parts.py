"""The supervisor's parts: messages, notifications, the listening socket, the state folder."""

import contextlib
import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.supervisor import (
    children,
    contexts,
    holdings,
    kernel,
    listen,
    messages,
    notify,
    pidfile,
    signals,
)
from tests.support.wait import until


@pytest.fixture
def pipe() -> tuple[int, int]:
    return os.pipe()


def test_receiver_gives_whole_messages_when_bytes_come_in_pieces(pipe: tuple[int, int]) -> None:
    receiver = messages.Receiver(pipe[0])
    seen = []
    for piece in (b'{"event": "be', b'at", "busy": 3}\n{"event"', b': "drained"}\n{"ev'):
        os.write(pipe[1], piece)
        told, at_end = receiver.read()
        seen.append((told, at_end))
    os.close(pipe[1])

    assert seen == [
        ([], False),
        ([{"event": "beat", "busy": 3}], False),
        ([{"event": "drained"}], False),
    ]
    assert receiver.read() == ([], True)


@pytest.mark.parametrize("junk", [b"junk\n", b"[1]\n", b'{"event": 1}\n', b"\xff\xfe\n", b"\n"])
def test_receiver_skips_what_is_no_message_when_it_comes(
    pipe: tuple[int, int], junk: bytes
) -> None:
    os.write(pipe[1], junk + b'{"event": "beat"}\n')

    assert messages.Receiver(pipe[0]).read() == ([{"event": "beat"}], False)


def test_receiver_forgets_an_endless_line_when_it_grows(pipe: tuple[int, int]) -> None:
    receiver = messages.Receiver(pipe[0])
    os.write(pipe[1], b"x" * 5000)
    assert receiver.read() == ([], False)
    os.write(pipe[1], b'\n{"event": "beat"}\n')

    assert receiver.read() == ([{"event": "beat"}], False)


def test_sender_drops_beats_but_keeps_messages_when_the_pipe_is_full(
    pipe: tuple[int, int],
) -> None:
    sender = messages.Sender(pipe[1])
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, 4096)
    for busy in range(1000):
        sender.beat(busy)
    sender.tell("drained", {"exit_code": 1})
    receiver = messages.Receiver(pipe[0])
    beats, _ = receiver.read()
    sender.flush(1.0)
    after, _ = receiver.read()

    assert 50 < len(beats) < 1000
    assert after == [{"event": "drained", "exit_code": 1}]


def test_sender_limits_beats_when_nothing_changed(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    sender = messages.Sender(pipe[1])

    assert [sender.beat(busy) for busy in (1, 1, 2, 2)] == [True, False, True, False]
    now[0] += messages.BEAT_EVERY_S
    assert [sender.beat(2), sender.beat(2)] == [True, False]


def test_sender_cuts_long_text_when_it_tells(pipe: tuple[int, int]) -> None:
    messages.Sender(pipe[1]).tell("fatal", {"exit_code": 3, "message": "x" * 10_000})
    told, _ = messages.Receiver(pipe[0]).read()

    assert told[0]["exit_code"] == 3
    assert len(str(told[0]["message"])) == 500


def test_sender_goes_on_when_nobody_reads_any_more(pipe: tuple[int, int]) -> None:
    sender = messages.Sender(pipe[1])
    os.close(pipe[0])
    sender.tell("drained", {"exit_code": 0})

    assert sender.beat(1)


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


def test_bind_names_the_process_when_the_port_is_taken() -> None:
    with listen.bind(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(errors.PortInUse) as caught:
            listen.bind(("127.0.0.1", port))

    assert f"port {port} " in str(caught.value)
    assert f"process {os.getpid()} (" in str(caught.value)
    assert caught.value.exit_code == 8


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_bind_says_what_is_wrong_when_the_address_is_not_ours(host: str) -> None:
    with pytest.raises(errors.LocalTrouble, match=r"monitor\.bind"):
        listen.bind((host, 0))


def test_lock_names_the_holder_when_a_second_comes(tmp_path: Path) -> None:
    first = pidfile.Lock(tmp_path)
    with pytest.raises(errors.AlreadyRunning, match=f"process {os.getpid()};.*kill -TERM"):
        pidfile.Lock(tmp_path)
    first.release()

    pidfile.Lock(tmp_path).release()


def test_lock_is_taken_when_only_a_stale_file_is_there(tmp_path: Path) -> None:
    (tmp_path / pidfile.LOCK_FILE).write_text("1234567890123456789012345678901234567890")

    pidfile.Lock(tmp_path).release()


def test_lock_is_waited_for_when_a_reader_is_frozen_while_it_looks(tmp_path: Path) -> None:
    pidfile.Lock(tmp_path).release()
    fd = os.open(tmp_path / pidfile.LOCK_FILE, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    going_on = threading.Timer(1.5, os.close, (fd,))  # long after who holds it is believed
    going_on.start()
    pidfile.Lock(tmp_path).release()

    going_on.join()


def test_lock_is_taken_when_readers_look_at_it(tmp_path: Path) -> None:
    looking = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import pathlib, sys\nfrom noggin_mp.supervisor import pidfile\n"
            "print(flush=True)\n"
            "while True: pidfile.read_state(pathlib.Path(sys.argv[1]))",
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert looking.stdout is not None
        looking.stdout.readline()
        for _ in range(200):
            pidfile.Lock(tmp_path).release()
    finally:
        looking.kill()
        looking.communicate()


def test_state_says_stopped_when_the_lock_is_free(tmp_path: Path) -> None:
    wanted = {"pid": os.getpid(), "state": "running", "config_error": "x"}
    pidfile.write_state(tmp_path, wanted)
    stopped = pidfile.read_state(tmp_path)
    lock = pidfile.Lock(tmp_path)
    running = pidfile.read_state(tmp_path)
    lock.release()

    assert wanted.items() <= running.items()
    assert (stopped["pid"], stopped["state"], stopped["config_error"]) == (None, "stopped", None)


def test_state_says_starting_when_the_file_is_the_predecessors(tmp_path: Path) -> None:
    pidfile.write_state(tmp_path, {"pid": 77, "state": "running", "config_error": "x"})
    lock = pidfile.Lock(tmp_path)
    said = pidfile.read_state(tmp_path)
    lock.release()

    assert (said["pid"], said["state"], said["config_error"]) == (os.getpid(), "starting", None)


def test_state_says_stopped_when_there_is_no_folder(tmp_path: Path) -> None:
    assert pidfile.read_state(tmp_path / "none")["state"] == "stopped"


def test_instance_is_made_once_when_asked_again(tmp_path: Path) -> None:
    made = pidfile.instance(tmp_path)

    assert uuid.UUID(made)
    assert pidfile.instance(tmp_path) == made
    (tmp_path / pidfile.INSTANCE_FILE).write_text("")
    assert uuid.UUID(pidfile.instance(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [pidfile.INSTANCE_FILE]


def test_state_folder_is_private_when_it_is_made(tmp_path: Path) -> None:
    pidfile.prepare_folder(tmp_path / "a" / "state")

    assert (tmp_path / "a" / "state").stat().st_mode & 0o777 == 0o750


def test_state_folder_error_gives_the_command_when_it_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(errors.PathUnusable, match="run: sudo install -d"):
        pidfile.prepare_folder(tmp_path / "file" / "state")


def test_metrics_folder_is_refused_when_it_is_not_ours_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdings, "_SHARED_MEMORY", tmp_path / "shm")
    (tmp_path / "shm").mkdir()
    (tmp_path / "state").mkdir()
    shared = holdings.metrics_folder(tmp_path / "state")
    assert shared.parent == tmp_path / "shm"
    assert shared.stat().st_mode & 0o777 == 0o700
    shared.chmod(0o777)

    assert holdings.metrics_folder(tmp_path / "state") == tmp_path / "state" / "metrics"


def test_fleet_is_told_to_drain_when_supervisord_is_killed() -> None:
    child = (
        "from noggin_mp.supervisor import kernel, signals\n"
        "stop = signals.Stop(life_fd=None); stop.install_alone()\n"
        "kernel.drain_with_supervisord()\n"
        "print('up', flush=True)\n"
        "print(stop.wait(60), flush=True)"
    )
    parent = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], env={{'SUPERVISOR_ENABLED': '1'}})"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.kill()

        assert process.stdout.readline() == "True\n"


def test_boot_numbers_grow_when_the_clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 5)
    boots = contexts.Boots()

    assert [boots.next(), boots.next(), boots.next()] == [5, 6, 7]


@pytest.mark.parametrize(
    ("limit", "workers", "shares"),
    [(None, 2, [None, None]), (5, 2, [3, 2]), (2, 2, [1, 1]), (7, 3, [3, 2, 2])],
)
def test_shares_add_up_when_a_limit_is_shared_out(
    limit: int | None, workers: int, shares: list[int | None]
) -> None:
    options = contexts.Options(limit=limit)

    assert [options.share(number, workers) for number in range(workers)] == shares


def test_title_is_shown_when_it_changes() -> None:
    code = (
        "from noggin_mp.supervisor import kernel\nimport sys\n"
        "kernel.Title().show('noggin-mp: worker 3 [busy 12]', short='noggin-worker-3')\n"
        "print(flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        short = Path(f"/proc/{process.pid}/comm").read_text()
        process.communicate(b"")

    assert shown.rstrip(b"\0") == b"noggin-mp: worker 3 [busy 12]"
    assert short == "noggin-worker-3\n"
    assert process.returncode == 0


def test_thread_count_is_true_when_threads_come() -> None:
    def agrees() -> bool:  # unless a thread that another test left comes to its end just now
        return kernel.thread_count() == len(os.listdir("/proc/self/task"))  # noqa: PTH208

    until(agrees)


def test_stop_wakes_every_wait_when_the_parent_is_gone(pipe: tuple[int, int]) -> None:
    stop = signals.Stop(life_fd=pipe[0])
    assert not stop.stopping()
    assert not stop.wait(0.01)
    os.close(pipe[1])

    assert stop.wait(30)
    assert stop.stopping()
    assert not stop.aborting()


def test_alone_process_drains_then_aborts_then_ends_when_interrupted() -> None:
    code = (
        "from noggin_mp.supervisor import signals\n"
        "stop = signals.Stop(life_fd=None); stop.install_alone()\n"
        "print('up', flush=True)\n"
        "stop.wait(60); print(stop.stopping(), stop.aborting(), flush=True)\n"
        "while not stop.aborting(): pass\n"
        "print(stop.aborting(), flush=True)\n"
        "while True: pass"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        heard = []
        for _ in range(3):
            heard.append(process.stdout.readline().decode().strip())
            process.send_signal(signal.SIGINT)
        until(lambda: process.poll() is not None)

    assert heard == ["up", "True False", "True"]
    assert process.returncode == 130


def test_state_file_is_whole_when_it_is_replaced(tmp_path: Path) -> None:
    for number in range(3):
        pidfile.write_state(tmp_path, {"pid": number})

    assert json.loads((tmp_path / pidfile.STATE_FILE).read_text()) == {"pid": 2}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("room", [0, 1, 2, 3, 4])
def test_no_descriptor_is_left_when_a_fork_meets_the_limit(room: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                taken.append(os.dup(0))
        for fd in [taken.pop() for _ in range(room)]:
            os.close(fd)
        with pytest.raises(OSError, match="Too many open files"):
            children._descriptors()
        for _ in range(room):  # as many as before can be had again
            taken.append(os.dup(0))
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
