"""The state folder: one supervisor per folder, who it is, how it is, and the folder's identity."""

import contextlib
import fcntl
import json
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from noggin_mp.domain import errors
from noggin_mp.supervisor import claims

LOCK_FILE = "supervisor.lock"
STATE_FILE = "supervisor.json"
INSTANCE_FILE = "instance"

_LOCK_RETRY_S = 0.02
_HELD_TRIES = 25
"""Who holds the lock may just be giving it back."""
_SHARED_TRIES = 1000
"""A look at the lock by `read_state` shares it for an instant; for seconds on a busy machine."""


def prepare_folder(folder: Path) -> None:
    """Make the state folder, 0750, when it is missing.

    Raises: PathUnusable with the command that helps.
    """
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        said = "not a directory" if in_the_way else error.strerror
        first = "remove what stands in its way, then " if in_the_way else ""
        raise errors.PathUnusable(
            f"paths.state: {folder} cannot be used ({said})",
            remedy=f"{first}run: sudo install -d -m 0750 -o {os.geteuid()} -g {os.getegid()}"
            f" {folder}",
        ) from error


class Lock:
    """An advisory lock on a file in the state folder, held until `release` or the process's end.

    The file stays behind and is harmless: the lock counts, not the file.
    """

    def __init__(self, folder: Path, name: str = LOCK_FILE, *, what: str = "a supervisor") -> None:
        """Raises: AlreadyRunning naming the holder's pid; PathUnusable."""
        path = self._path = folder / name
        self._what = what
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise errors.PathUnusable(
                f"{path} cannot be opened ({error.strerror})",
                remedy=f"run: sudo chown {os.geteuid()} {path}",
            ) from error
        if not _try_lock(self.fd):
            pid = _pid_in(self.fd)
            os.close(self.fd)
            raise errors.AlreadyRunning(
                f"{what} already works in {folder}" + (f" as process {pid}" if pid else ""),
                remedy=(f"stop it with kill -TERM {pid}, " if pid else "stop it, ")
                + "or give this one another paths.state",
            )
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, f"{os.getpid()}\n".encode(), 0)

    def lost(self) -> bool:
        """True when somebody has removed or replaced the file: nobody sees our lock then.

        Raises: OSError when that cannot be known.
        """
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self.fd))
        except (FileNotFoundError, NotADirectoryError):
            return True

    def retake(self) -> None:
        """Lock the file that is there now, or a new one. Raises: as the constructor."""
        fresh = Lock(self._path.parent, self._path.name, what=self._what)
        os.dup2(fresh.fd, self.fd, inheritable=False)
        fresh.release()

    def release(self) -> None:
        """Give the lock back."""
        os.close(self.fd)


def _try_lock(fd: int) -> bool:
    """Take the lock; False when somebody has it for himself. Who only looks at it is waited for."""
    held = shared = 0
    while not claims.lock_at_once(fd, fcntl.LOCK_EX):
        if claims.lock_at_once(fd, fcntl.LOCK_SH):
            fcntl.flock(fd, fcntl.LOCK_UN)
            shared += 1
        else:
            held += 1
        if held == _HELD_TRIES or shared == _SHARED_TRIES:
            return False
        time.sleep(_LOCK_RETRY_S)
    return True


def _pid_in(fd: int) -> int | None:
    text = os.pread(fd, 32, 0).strip()
    return int(text) if text.isdigit() else None


def instance(folder: Path) -> str:
    """The UUID of this state folder, made at the first call."""
    path = folder / INSTANCE_FILE
    with contextlib.suppress(OSError, ValueError):
        return str(uuid.UUID(path.read_text().strip()))
    made = str(uuid.uuid4())
    fresh = folder / f".{INSTANCE_FILE}.{os.getpid()}"
    fresh.write_text(made + "\n")
    try:
        os.link(fresh, path)  # unlike a rename, this does not replace one made meanwhile
    except FileExistsError:
        with contextlib.suppress(ValueError):
            return str(uuid.UUID(path.read_text().strip()))
        fresh.rename(path)  # what lies there is no UUID: a disk was full once
    finally:
        fresh.unlink(missing_ok=True)
    return made


def restore(folder: Path, *, lock: Lock, identity: str) -> None:
    """Make the folder of a living supervisor anew: lock and identity are its own as before.

    Raises: AlreadyRunning when another supervisor has come to the folder; PathUnusable, OSError.
    """
    prepare_folder(folder)
    lock.retake()
    with contextlib.suppress(FileExistsError), (folder / INSTANCE_FILE).open("x") as file:
        file.write(identity + "\n")


def write_state(folder: Path, state: Mapping[str, object]) -> None:
    """Replace supervisor.json as one step. Raises: OSError."""
    fresh = folder / f".{STATE_FILE}.new"
    fresh.write_text(json.dumps(state, indent=1) + "\n")
    fresh.replace(folder / STATE_FILE)


def has_state(folder: Path) -> bool:
    """False when supervisor.json is gone."""
    return os.path.lexists(folder / STATE_FILE)


def read_state(folder: Path) -> dict[str, Any]:
    """What the supervisor of this folder last said: `pid`, `state`, `config_error`, and more.

    `state` is `stopped`, and `pid` None, when no supervisor holds the folder's lock, whatever an
    old file says; `unknown` when this user may not look.
    """
    said: dict[str, Any] = {"slots": [], "started_at": None, "config_error": None}
    try:
        with contextlib.suppress(FileNotFoundError, ValueError):
            said |= json.loads((folder / STATE_FILE).read_text())
        holder = _holder(folder / LOCK_FILE)
        if holder is not None and holder == said.get("pid"):
            return said
        if holder is not None:  # the file is its predecessor's
            return {"pid": holder, "state": "starting", "config_error": None, "slots": []}
    except OSError:
        return said | {"pid": None, "state": "unknown"}
    return said | {"pid": None, "state": "stopped", "config_error": None, "slots": []}


def slot_lock(slot: str) -> str:
    """The name of the file that a process without a supervisor locks for its slot."""
    return f"{slot.replace(' ', '-')}.lock"


def lone_tenant(folder: Path, slot: str) -> int | None:
    """The process without a supervisor of ours that works in this slot."""
    with contextlib.suppress(OSError):
        return _holder(folder / slot_lock(slot))
    return None


def lone(folder: Path) -> dict[str, int]:
    """Processes without a supervisor of ours that work in this folder, by slot name.

    None of another account: who may not look at a lock is told of nobody.
    """
    found = {}
    with contextlib.suppress(OSError):
        for path in sorted(folder.glob("*.lock")):
            holder = _holder(path) if path.name != LOCK_FILE else None
            if holder is not None:
                found[path.stem.replace("-", " ")] = holder
    return found


def _holder(path: Path) -> int | None:
    """The pid of the lock's holder; None when nobody holds it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return None if claims.lock_at_once(fd, fcntl.LOCK_SH) else _pid_in(fd)
    finally:
        os.close(fd)
