"""What the supervisor tells its children: whole orders over a pipe, which neither side blocks on.

The other way round than `messages`: few and possibly large (settings), so they are framed by their
length and wait in the supervisor while a pipe is full. They are pickled: only a child's own parent
holds the writing end.
"""

import os
import pickle
import struct
from collections.abc import Callable

from noggin_mp.domain import child

_LENGTH = struct.Struct("!I")
_MAX_READ_BYTES = 65_536
MAX_WAITING_BYTES = 4 * 2**20
"""A child that reads nothing for so long is hung, and its watchdog will deal with it."""


class Desk:
    """The supervisor's end of one child's pipe."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self._waiting = bytearray()

    def give(self, order: child.Order) -> bool:
        """Send an order, now or with later calls of `flush`; False when the child reads nothing."""
        body = pickle.dumps(order, protocol=pickle.HIGHEST_PROTOCOL)
        if len(self._waiting) + len(body) > MAX_WAITING_BYTES:
            return False
        self._waiting += _LENGTH.pack(len(body)) + body
        self.flush()
        return True

    def flush(self) -> bool:
        """Write what the pipe takes; True when nothing is left to send."""
        try:
            while self._waiting:
                del self._waiting[: os.write(self.fd, self._waiting)]
        except BlockingIOError:
            pass
        except OSError:
            self._waiting.clear()  # the child is gone; its end is heard of elsewhere
        return not self._waiting


class Tray:
    """The child's end. Not for several threads at once."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self._rest = b""

    def read(self) -> list[child.Order]:
        """The orders that are whole by now, in the order they were given."""
        while True:
            try:
                data = os.read(self.fd, _MAX_READ_BYTES)
            except OSError:  # nothing more for now
                break
            if not data:
                break
            self._rest += data
        found: list[child.Order] = []
        while len(self._rest) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._rest)
            end = _LENGTH.size + length
            if len(self._rest) < end:
                break
            found.append(pickle.loads(self._rest[_LENGTH.size : end]))  # noqa: S301 - our parent's
            self._rest = self._rest[end:]
        return found


class Obedience:
    """A child's orders: those that every child obeys are obeyed here, the others are handed on.

    Not for several threads at once.
    """

    def __init__(self, tray: Tray, *, leasing: bool, reopen_logs: Callable[[], object]) -> None:
        """`leasing`: whether a child that was forked just now may take new work."""
        self._tray = tray
        self._leasing = leasing
        self._reopen_logs = reopen_logs
        self._others: list[child.Order] = []

    def _obey(self) -> None:
        for order in self._tray.read():
            match order.name:
                case child.REOPEN_LOGS:
                    self._reopen_logs()
                case child.LEASING:
                    self._leasing = bool(order.body)
                case _:
                    self._others.append(order)

    def orders(self) -> list[child.Order]:
        """What the supervisor ordered since the last call, but for what is obeyed already."""
        self._obey()
        found, self._others = self._others, []
        return found

    def leasing(self) -> bool:
        """False while no new work is to be taken."""
        self._obey()
        return self._leasing
