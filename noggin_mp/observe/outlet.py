"""The stream that logs go to: whole lines, and no wait for a reader that has stopped reading."""

import errno
import os
import select
import socket
import stat
import threading
import time
import weakref
from typing import Final

PATIENCE_S: Final = 0.5
"""A slow reader is waited for so long; a supervisor that waits longer looks after nobody."""

_TORN_END: Final = b"\n"
_UNABLE: Final = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


class Outlet:
    """Writes records to a descriptor that may be a file, a pipe, a terminal or a socket.

    The descriptor's own flags stay as they are: it is shared with whoever started us. Safe for
    threads.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._known = _identity(fd)
        self._lock = threading.Lock()
        self._lost = 0
        self._torn = False
        self._waits = self._known is not None and not stat.S_ISREG(self._known[2])
        self._socket: socket.socket | None = None
        self._own: int | None = None
        if self._known is not None and stat.S_ISSOCK(self._known[2]):
            self._socket = socket.socket(fileno=os.dup(fd))
            weakref.finalize(self, self._socket.close)
        elif self._waits and (own := _opened_again(fd)) is not None:
            self._own = own
            weakref.finalize(self, os.close, own)

    def leads_to(self, fd: int) -> bool:
        """True while `fd` is what this outlet was made for."""
        return self.fd == fd and self._known is not None and self._known == _identity(fd)

    def write(self, record: bytes) -> int:
        """Write one record, or drop it when nobody reads.

        Gives how many were dropped before this one, once it has been written; else 0. What cannot
        be written for another cause (a full disk, a reader that is gone) is dropped as well.
        """
        with self._lock:
            # Who has waited once in vain asks, from then on, only whether there is room again.
            deadline = time.monotonic() + (0.0 if self._lost else PATIENCE_S)
            text = _TORN_END + record if self._torn else record
            try:
                whole = self._write(memoryview(text), deadline)
            except OSError:
                return 0
            if not whole:
                self._lost += 1
                return 0
            before, self._lost = self._lost, 0
            return before

    def _write(self, left: memoryview, deadline: float) -> bool:
        """True when all was written; a part of a record is ended by the next one."""
        size = len(left)
        while left:
            try:
                left = left[self._push(left) :]
            except BlockingIOError:
                if not _room(self.fd, deadline - time.monotonic()):
                    self._torn = self._torn or len(left) < size
                    return False
        self._torn = False
        return True

    def _push(self, data: memoryview) -> int:
        """Write what there is room for. Raises: BlockingIOError when there is none; OSError."""
        if self._socket is not None:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        if self._own is not None:
            return os.write(self._own, data)
        if not self._waits:
            return os.write(self.fd, data)
        return _write_unless_full(self.fd, data)


def _identity(fd: int) -> tuple[int, int, int] | None:
    """Device, number and kind of what a descriptor leads to; None when it is closed."""
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mode


def _opened_again(fd: int) -> int | None:
    """A descriptor of our own that does not block; None where this user may not open it."""
    flags = os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open(f"/proc/self/fd/{fd}", flags)
    except OSError:
        return None


def _write_unless_full(fd: int, data: memoryview) -> int:
    """Write to a descriptor that blocks. Raises: BlockingIOError when there is no room; OSError.

    Where the kernel cannot refuse to wait, somebody else may take the room between look and write.
    Source: pwritev2(2): -1 is the current offset; pipes know RWF_NOWAIT since Linux 6.4.
    """
    part = data[: select.PIPE_BUF]
    try:
        return os.pwritev(fd, [part], -1, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno not in _UNABLE and error.errno != errno.ESPIPE:
            raise
    if not _room(fd, 0):
        raise BlockingIOError
    return os.write(fd, part)


def _room(fd: int, wait_s: float) -> bool:
    """True once there is room to write, or an error to be told by writing; False after `wait_s`."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return wait_s >= 0 and bool(poll.poll(wait_s * 1000))
