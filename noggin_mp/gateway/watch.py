"""The watch over one exchange: time-outs, total deadline, minimum rate and cancellation, per recv.

A per-read time-out lets a server drip one byte at a time for ever, in headers as in the body. So
the sockets here wait in short slices and ask the watch of the exchange under way, which knows
when the last byte came, how many came, and whether anybody still wants them.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noggin_mp.domain import errors, outcome
from noggin_mp.gateway import reasons

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Cancelled(errors.NogginError):
    """We gave the exchange up ourselves (stop, or the lease was lost); nobody is to blame."""

    code = "cancelled"


def never() -> bool:
    """Nobody calls the work off."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How patient an exchange is; seconds and bytes.

    `deadline_s` bounds a JSON request in total. A media transfer may take
    `max(deadline_s, length / min_rate_bytes_s)`. In each `rate_window_s` a body must bring at
    least `min_rate_bytes_s` per second on average.
    """

    connect_s: float = 10.0
    read_s: float = 60.0
    deadline_s: float = 90.0
    min_rate_bytes_s: int = 8192
    rate_window_s: float = 30.0

    @property
    def slice_s(self) -> float:
        """How long a socket waits before it asks the watch again."""
        return min(0.25, self.read_s / 4, self.deadline_s / 4)


class Watch:
    """What one exchange may still cost, and what it has brought so far."""

    def __init__(self, timeouts: Timeouts, cancelled: Callable[[], bool]) -> None:
        self._timeouts = timeouts
        self._cancelled = cancelled
        self.started = time.monotonic()
        self.deadline = self.started + timeouts.deadline_s
        self.received = 0
        self._window_start: float | None = None
        self._window_bytes = 0

    def begin_request(self) -> None:
        """Count anew what a connection brings."""
        self.check()
        self.received = 0
        self._window_start = None

    def begin_body(self) -> None:
        """From now on the minimum rate counts."""
        self._window_start = time.monotonic()
        self._window_bytes = 0

    def elapsed(self) -> float:
        """Seconds since the exchange began."""
        return time.monotonic() - self.started

    def hurry(self, within_s: float) -> None:
        """Move the deadline to at most `within_s` from now."""
        self.deadline = min(self.deadline, time.monotonic() + within_s)

    def check(self) -> None:
        """Raise Cancelled, or Broken(`deadline`), when the exchange should not go on."""
        if self._cancelled():
            raise Cancelled("the transfer was given up, because its work was called off")
        if time.monotonic() > self.deadline:
            raise reasons.Broken(outcome.Kind.TIMEOUT, "deadline")

    def receive(
        self,
        recv_into: Callable[..., int],
        buffer: "WriteableBuffer",
        nbytes: int | None,
        flags: int,
    ) -> int:
        """As `recv_into`, which times out after a slice, for as long as the exchange may go on."""
        since = time.monotonic()
        while True:
            try:
                count = recv_into(buffer, nbytes, flags)
            except TimeoutError:
                self.silent(since)
            else:
                self.took(count)
                return count

    def silent(self, since: float) -> None:
        """Called after each silent slice; raises when it has lasted too long."""
        self.check()
        if time.monotonic() - since >= self._timeouts.read_s:
            raise reasons.Broken(outcome.Kind.TIMEOUT, "read_timeout")

    def took(self, count: int) -> None:
        """Called after each recv; raises when the exchange is over its deadline or too slow."""
        now = time.monotonic()
        self.received += count
        if now > self.deadline:
            raise reasons.Broken(outcome.Kind.TIMEOUT, "deadline")
        if self._window_start is None:
            return
        self._window_bytes += count
        elapsed = now - self._window_start
        if elapsed >= self._timeouts.rate_window_s:
            if self._window_bytes < elapsed * self._timeouts.min_rate_bytes_s:
                raise reasons.Broken(outcome.Kind.TIMEOUT, "too_slow")
            self._window_start, self._window_bytes = now, 0


class _Current(threading.local):
    watch: Watch | None = None


_current = _Current()


def set_current(watch: Watch | None) -> None:
    """Make `watch` the one that this thread's sockets obey."""
    _current.watch = watch


class WatchedSocket(socket.socket):
    """A socket that obeys the thread's watch while it receives."""

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        """As socket.recv_into; waits in slices of the socket's time-out."""
        watch = _current.watch
        if watch is None:
            return super().recv_into(buffer, nbytes, flags)
        return watch.receive(super().recv_into, buffer, nbytes, flags)


class WatchedTLSSocket(ssl.SSLSocket):
    """The same for TLS; a read that timed out may be repeated."""

    def recv_into(
        self, buffer: "WriteableBuffer", nbytes: int | None = None, flags: int = 0
    ) -> int:
        """As ssl.SSLSocket.recv_into; waits in slices of the socket's time-out."""
        watch = _current.watch
        if watch is None:
            return super().recv_into(buffer, nbytes, flags)
        return watch.receive(super().recv_into, buffer, nbytes, flags)
