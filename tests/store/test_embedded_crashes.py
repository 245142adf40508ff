"""The embedded server after kills, stale files and races, all of them real."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from noggin_mp.store import embedded
from tests.support import embedded_server, postgres
from tests.support.wait import until

FAST = postgres.FAST


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder other users may reach, its server removed afterwards."""
    folder = postgres.scratch() / "state"
    yield folder
    embedded.destroy(folder)


def status(state: Path) -> embedded.Status:
    found = embedded.status(state)
    assert found is not None
    return found


def start(state: Path) -> subprocess.Popen[str]:
    return embedded_server.spawn(embedded_server.STARTER, str(state), json.dumps(FAST))


def test_server_lives_on_when_its_starter_is_killed(state: Path) -> None:
    starter = start(state)
    server = embedded_server.line(starter)
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    assert embedded_server.value(server, "SELECT 1") == 1
    pid = status(state).pid
    assert pid is not None
    assert os.getsid(pid) == pid  # a session of its own
    held = [
        str(entry.readlink())
        for entry in Path(f"/proc/{pid}/fd").iterdir()
        if entry.name in ("0", "1", "2")
    ]
    assert sorted(set(held)) == sorted({"/dev/null", str(state / "postgres" / "log")})


def test_ensure_running_recovers_when_server_was_killed(state: Path) -> None:
    server = embedded.ensure_running(state)
    embedded_server.value(server, "CREATE TABLE kept AS SELECT 7 AS n")
    pid = status(state).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert embedded.ensure_running(state) == server
    assert embedded_server.value(server, "SELECT n FROM kept") == 7
    assert status(state).pid != pid


def test_ensure_running_ignores_stale_pid_when_it_is_another_process(state: Path) -> None:
    embedded.ensure_running(state, settings=FAST)
    data = status(state).data_directory
    lines = (data / "postmaster.pid").read_text().splitlines()
    owner = data.stat()
    embedded.stop(state)
    # After a crash of the machine the number may be anybody's, even the same user's.
    other = subprocess.Popen(
        ["/bin/sleep", "600"],
        cwd="/",
        **({"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}),
    )
    try:
        (data / "postmaster.pid").write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        os.chown(data / "postmaster.pid", owner.st_uid, owner.st_gid)
        assert not status(state).running
        assert not embedded.stop(state)  # and does not end the other process
        embedded.ensure_running(state, settings=FAST)
        assert other.poll() is None
        assert status(state).pid != other.pid
    finally:
        other.kill()
        other.wait()


def test_ensure_running_restarts_when_socket_was_cleaned_away(state: Path) -> None:
    server = embedded.ensure_running(state, settings=FAST)
    pid = status(state).pid
    (status(state).data_directory.parent / "socket" / ".s.PGSQL.5432").unlink()
    assert not status(state).running
    assert embedded.ensure_running(state, settings=FAST) == server
    assert status(state).pid != pid


def test_ensure_running_starts_over_when_initdb_was_interrupted(state: Path) -> None:
    server = state / "postgres" / "server"
    for _ in range(5):  # it may be through before we look
        starter = start(state)
        # Killed with everything it started as soon as the folder in the making has first files.
        until(
            lambda: [*server.glob("data.*.tmp/base"), *server.glob("data")],
            timeout_s=120, every_s=0.001,
        )  # fmt: skip
        os.killpg(starter.pid, signal.SIGKILL)
        starter.wait()
        if not (server / "data").exists():
            break
        embedded.destroy(state)
    assert not (server / "data").exists()
    assert list(server.glob("data.*.tmp"))
    assert embedded_server.value(embedded.ensure_running(state, settings=FAST), "SELECT 1") == 1
    assert not list(server.glob("data.*.tmp"))


def test_starters_share_one_server_when_they_race(state: Path) -> None:
    starters = [start(state) for _ in range(5)]
    servers = {embedded_server.line(starter) for starter in starters}
    for starter in starters:
        starter.communicate("\n")
        assert starter.returncode == 0
    assert servers == {status(state).dsn}
    log = (state / "postgres" / "log").read_text()
    assert "FATAL" not in log.replace("FATAL:  the database system is starting up", "").replace(
        'FATAL:  database "noggin_db" does not exist', ""
    )


def test_start_and_stop_leave_a_sound_server_when_they_race(state: Path) -> None:
    embedded.ensure_running(state, settings=FAST)
    stoppers = [embedded_server.spawn(embedded_server.STOPPER, str(state)) for _ in range(3)]
    starters = [start(state) for _ in range(3)]
    for process in [*stoppers, *starters]:
        _, complaint = process.communicate("\n", timeout=300)
        assert process.returncode == 0, complaint
    assert embedded_server.value(embedded.ensure_running(state, settings=FAST), "SELECT 1") == 1


def test_lock_is_given_up_when_its_holder_is_killed(state: Path) -> None:
    holder = embedded_server.spawn(
        "import sys; from pathlib import Path; from noggin_mp.store import embedded_layout\n"
        "with embedded_layout.locked(Path(sys.argv[1])):\n"
        "    print('locked', flush=True); sys.stdin.readline()\n",
        str(state),
    )
    assert embedded_server.line(holder) == "locked"
    holder.kill()
    holder.wait()
    embedded.ensure_running(state, settings=FAST)
