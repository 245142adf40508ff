"""What the supervisor holds open: made once, closed at its end, and closed in every child."""

import contextlib
import hashlib
import os
import selectors
import shutil
import socket
import stat
from pathlib import Path

from noggin_mp.domain import errors
from noggin_mp.settings import schema
from noggin_mp.supervisor import claims, kernel, listen, notify, pidfile, running, signals

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - owner and mode are checked before use

_OWNER = "state-folder"
"""In a metrics folder: which state folder it belongs to."""
_CLAIM = "claim"
"""In a metrics folder: the file that its users claim. Versions that claimed nothing had none."""
_CORRUPT = "corrupt"
"""In a metrics folder: what was put aside for a person. Source: observe/slot_files."""
_TRIES = 3


def metrics_folder(state: Path) -> Path:
    """The folder of metrics files that belongs to a state folder: in memory where possible.

    Made, 0700, when it is missing. In shared memory a folder that is not ours alone is not used.
    """
    name = hashlib.sha256(os.fsencode(state.resolve())).hexdigest()[:12]
    shared = _SHARED_MEMORY / f"noggin-mp-{os.geteuid()}-{name}"
    with contextlib.suppress(OSError):
        shared.mkdir(mode=0o700, exist_ok=True)
        found = shared.lstat()
        ours = found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        if stat.S_ISDIR(found.st_mode) and ours and os.access(shared, os.W_OK | os.X_OK):
            (shared / _OWNER).write_text(f"{state.resolve()}\n")
            return shared
    return _local_folder(state)


def claimed_metrics(state: Path) -> tuple[Path, int | None]:
    """The folder of metrics files, and the descriptor that keeps others from sweeping it."""
    for _ in range(_TRIES):  # it may be swept before it is claimed
        folder = metrics_folder(state)
        if folder.parent != _SHARED_MEMORY:
            break
        with contextlib.suppress(OSError):
            fd = claims.claim(folder / _CLAIM, mode=0o600)
            (folder / _OWNER).write_text(f"{state.resolve()}\n")  # it may have been swept
            return folder, fd
    return _local_folder(state), None


def _local_folder(state: Path) -> Path:
    folder = state / "metrics"
    folder.mkdir(mode=0o750, exist_ok=True)
    return folder


def forget_metrics(folder: Path) -> None:
    """Remove a folder of metrics files, unless a corrupt one was put aside there for a person."""
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty, or gone
        (folder / _CORRUPT).rmdir()
    if not (folder / _CORRUPT).exists():
        for name in (_OWNER, _CLAIM):  # the claim goes last, for it keeps others out
            (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def sweep_metrics() -> None:
    """Remove this user's folders in shared memory that no process uses any more.

    What was put aside for a person stays until its state folder is gone.
    """
    for folder in _SHARED_MEMORY.glob(f"noggin-mp-{os.geteuid()}-*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
                continue
            with claims.unclaimed(folder / _CLAIM) as free:
                if free:
                    _sweep(folder)


def _sweep(folder: Path) -> None:
    """Empty a folder that nobody claims."""
    owner = (folder / _OWNER).read_text().strip()
    if owner and not Path(owner).exists() and not (folder / _CORRUPT).is_symlink():
        shutil.rmtree(folder / _CORRUPT, ignore_errors=True)
    forget_metrics(folder)


def _refuse_lone(state: Path, *, workers: int) -> None:
    """Raises: AlreadyRunning when one of our slots has a tenant without a supervisor: its leases
    and metrics would be taken for those of a predecessor."""
    ours = {"monitor", *(f"worker {number}" for number in range(workers))}
    for name, pid in pidfile.lone(state).items():
        if name in ours:
            raise errors.AlreadyRunning(
                f"{name} already works in {state}, by itself, as process {pid}",
                remedy="stop such processes first, or give this fleet another paths.state",
            )


class Holdings:
    """Lock, listening socket, selector, pipes and titles of one supervisor."""

    def __init__(self, settings: schema.Settings) -> None:
        """Raises: AlreadyRunning, PathUnusable, PortInUse, LocalTrouble; nothing stays open."""
        state = settings.paths.state
        pidfile.prepare_folder(state)
        with contextlib.ExitStack() as stack:
            self.lock = pidfile.Lock(state)
            stack.callback(self.lock.release)
            _refuse_lone(state, workers=settings.fleet.workers)
            self.instance = pidfile.instance(state)
            self.metrics_dir, claim = claimed_metrics(state)
            if claim is not None:  # children inherit it: theirs counts as long as they live
                stack.callback(os.close, claim)
            sweep_metrics()
            running.sweep()
            self.listener: socket.socket | None = None
            if settings.monitor.address is not None:
                self.listener = stack.enter_context(listen.bind(settings.monitor.address))
            self.selector = stack.enter_context(selectors.DefaultSelector())
            self.inbox = signals.Inbox()
            stack.callback(self.inbox.close)
            self.life_read_fd, self._life_write_fd = os.pipe()
            stack.callback(os.close, self.life_read_fd)
            stack.callback(os.close, self._life_write_fd)
            self.notifier = notify.Notifier.take()
            stack.callback(self.notifier.close)
            self.title = kernel.Title()
            self._stack = stack.pop_all()

    @property
    def listening(self) -> str | None:
        """The address that the monitor serves, as host:port."""
        if self.listener is None:
            return None
        host, port = self.listener.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def close(self) -> None:
        """Close everything; the lock comes last."""
        self._stack.close()

    def release(self, *, keep_listener: bool) -> int | None:
        """Close, in a child, what is the supervisor's; the listening descriptor when it is kept."""
        self.lock.release()
        self.selector.close()
        self.inbox.release()
        os.close(self._life_write_fd)
        self.notifier.close()
        if self.listener is None:
            return None
        if keep_listener:
            return self.listener.detach()
        self.listener.close()
        return None
