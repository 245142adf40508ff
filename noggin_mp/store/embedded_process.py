"""The embedded server's processes: how a postmaster is launched, recognised and ended."""

import os
import shlex
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from noggin_mp.domain import errors
from noggin_mp.store import binaries, embedded_layout, private
from noggin_mp.store.embedded_layout import Layout, Seat

STOP_FAST_S: Final = 30.0
STOP_IMMEDIATE_S: Final = 20.0
POLL_S: Final = 0.02
_LOG_BYTES: Final = 10 * 1024 * 1024
_SHM: Final = Path("/dev/shm")  # noqa: S108 - asked for its size only
_SHM_ENOUGH_BYTES: Final = 256 * 1024 * 1024

_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%a ",
    "logging_collector": "off",
    "log_checkpoints": "off",
    "log_min_messages": "warning",
    "jit": "off",  # short statements: compiling them costs more than it gives
    "cluster_name": "noggin_mp",
}


def launch(seat: Seat, settings: Mapping[str, str]) -> None:
    """Starts a postmaster in a session of its own, holding nothing of ours but the log.

    Returns before it accepts connections, or is known to have failed. `settings` override ours.
    """
    layout = seat.layout
    quoted = str(layout.socket).replace('"', '""')
    wanted = {
        **_SETTINGS,
        **settings,
        "unix_socket_directories": f'"{quoted}"',
        "dynamic_shared_memory_type": _shared_memory(),
    }
    words = ["-D", str(layout.data)]
    for name, value in wanted.items():
        words += ["-c", f"{name}={value}"]
    with suppress(FileNotFoundError):
        if layout.log.stat().st_size > _LOG_BYTES:
            layout.log.replace(layout.log.with_name("log.1"))
    descriptor = private.open_file(layout.log, os.O_WRONLY | os.O_APPEND)
    with os.fdopen(descriptor, "ab") as log:
        binaries.run(
            [seat.programs.path("pg_ctl"), "start", "-sW", "-o", shlex.join(words)],
            account=seat.account,
            stdout=log,
            # pg_ctl hands its own -D to a shell without escaping it.
            environment={"PGDATA": str(layout.data)},
        )


def postmaster(layout: Layout) -> int | None:
    """The process id of the running server: noted, alive, and at home in this data folder."""
    try:
        pid = int((layout.data / "postmaster.pid").read_text("utf-8").split("\n", 1)[0])
        # A zombie has no working folder any more: it is rightly taken for dead.
        at_home = os.path.samestat(Path(f"/proc/{pid}/cwd").stat(), layout.data.stat())
    except (OSError, ValueError):
        return None
    return pid if at_home else None


def stop(layout: Layout, *, at_once: bool = False) -> bool:
    """True when a server was there and is gone: asked to end fast, then at once, then killed.

    `at_once` skips the first, for data nobody wants any more.

    Raises: DatabaseUnreachable when even that does not help.
    """
    pid = postmaster(layout)
    if pid is None:
        return False
    steps = [
        (signal.SIGINT, STOP_FAST_S),
        (signal.SIGQUIT, STOP_IMMEDIATE_S),
        (signal.SIGKILL, STOP_IMMEDIATE_S),
    ]
    for number, patience_s in steps[1 if at_once else 0 :]:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if until(lambda: postmaster(layout) != pid, patience_s):
            return True
    raise errors.DatabaseUnreachable(
        f"the embedded Postgres (pid {pid}) does not end", remedy=f"see {layout.log}"
    )


def sweep(layout: Layout) -> None:
    """Removes what a dead server left: Postgres would mistake a reused process id for it.

    A server that is not dead after all stays protected by its shared memory, which is found by
    the data folder's inode.
    """
    for remains in (
        layout.data / "postmaster.pid",
        layout.socket / embedded_layout.SOCKET_FILE,
        layout.socket / f"{embedded_layout.SOCKET_FILE}.lock",
    ):
        remains.unlink(missing_ok=True)


def lost_its_socket(layout: Layout) -> bool:
    """True for a server that is ready but whose socket somebody cleaned away."""
    with suppress(OSError):
        lines = (layout.data / "postmaster.pid").read_text("utf-8").splitlines()
        ready = len(lines) > 7 and lines[7].strip() == "ready"
        return ready and not (layout.socket / embedded_layout.SOCKET_FILE).exists()
    return False


def log_end(layout: Layout) -> str:
    """The telling end of the server's log, as one line."""
    with suppress(OSError):
        lines = layout.log.read_bytes()[-4000:].decode("utf-8", "replace").splitlines()
        telling = [line for line in lines if "FATAL" in line or "ERROR" in line or "HINT" in line]
        return " / ".join(telling[-2:] or lines[-1:]) or "it wrote nothing"
    return "it wrote nothing"


def until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """True as soon as the condition holds, False when time runs out."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _shared_memory() -> str:
    """`posix` where /dev/shm is roomy; a container's 64 MiB are too few for a parallel query."""
    try:
        room = os.statvfs(_SHM)
    except OSError:
        return "mmap"
    return "posix" if room.f_bavail * room.f_frsize >= _SHM_ENOUGH_BYTES else "mmap"
