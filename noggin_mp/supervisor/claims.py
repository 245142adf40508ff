"""Files that living processes claim, and how to tell those that nobody claims any more.

A claim is a shared lock (flock): the kernel takes it back when the last process that inherited it
is gone. It is seen wherever the file is, also from containers that share the memory it lies in but
see neither our processes nor our folders.
"""

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

_TRIES = 25
_RETRY_S = 0.02
"""Who sweeps holds a file for an instant."""


def claim(path: Path, *, mode: int) -> int:
    """Claim the file, made when it is missing: a descriptor to keep open. Raises: OSError."""
    for _ in range(_TRIES):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(path, flags, mode)
        try:
            if not _is_ours(fd):
                raise PermissionError(errno.EACCES, "belongs to somebody else", str(path))
            if lock_at_once(fd, fcntl.LOCK_SH) and is_there(path, fd):
                return fd
        except OSError:
            os.close(fd)
            raise
        os.close(fd)
        time.sleep(_RETRY_S)
    raise OSError(errno.EBUSY, "is being swept", str(path))


def give_back(path: Path, fd: int) -> None:
    """End a claim, also for whoever inherited it, and remove the file when it was the last one."""
    try:
        if lock_at_once(fd, fcntl.LOCK_EX) and is_there(path, fd):
            path.unlink()
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


@contextlib.contextmanager
def unclaimed(path: Path) -> Iterator[bool]:
    """True when nobody claims this file of ours, and nobody can while the block lasts.

    Raises: OSError when it is a link, or not there any more.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield _is_ours(fd) and lock_at_once(fd, fcntl.LOCK_EX) and is_there(path, fd)
    finally:
        os.close(fd)


def lock_at_once(fd: int, how: int) -> bool:
    """Lock by LOCK_SH or LOCK_EX; False when others are in the way. Raises: OSError."""
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_ours(fd: int) -> bool:
    found = os.fstat(fd)
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()


def is_there(path: Path, fd: int) -> bool:
    """False when the file was removed, or replaced, after it was opened."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(fd))
    except FileNotFoundError:
        return False
