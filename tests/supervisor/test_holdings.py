"""What a supervisor holds: the listening socket, the lock, the state and metrics folders."""

import fcntl
import json
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.supervisor import holdings, listen, pidfile


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


def test_state_file_is_whole_when_it_is_replaced(tmp_path: Path) -> None:
    for number in range(3):
        pidfile.write_state(tmp_path, {"pid": number})

    assert json.loads((tmp_path / pidfile.STATE_FILE).read_text()) == {"pid": 2}
    assert len(list(tmp_path.iterdir())) == 1
