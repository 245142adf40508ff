"""Tell systemd how we are, by its datagram protocol; a no-op when nobody listens.

Source: sd_notify(3).
"""

import collections
import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final

_MOST_KEPT: Final = 4
"""Of states that wait to be heard: a start, a reload, and the end."""
_STATUS_CHARS: Final = 500
"""Source: systemd passes over a whole datagram of 4096 bytes (NOTIFY_BUFFER_MAX), READY=1 in it."""


class Notifier:
    """Sends states to the socket that NOTIFY_SOCKET names; never fails, never blocks."""

    def __init__(self, address: str | None, *, watchdog_s: float = float("inf")) -> None:
        """`address`: a path, or `@name` for the abstract name space; None: say nothing.

        `watchdog_s`: systemd's patience with a process that is not `alive`.
        """
        self.ping_s = watchdog_s / 2
        """`alive` must be said so often. Source: sd_watchdog_enabled(3), half of the time."""
        self._unsent: collections.deque[bytes] = collections.deque(maxlen=_MOST_KEPT)
        self._socket: socket.socket | None = None
        if not address or address[0] not in "/@":
            return
        self._address = "\0" + address[1:] if address[0] == "@" else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    @classmethod
    def take(cls, environ: MutableMapping[str, str] = os.environ) -> "Notifier":
        """The notifier of this process; the variables are removed, so no child speaks for us."""
        environ.pop("WATCHDOG_PID", None)
        patience_us = environ.pop("WATCHDOG_USEC", "")
        known = patience_us.isdecimal() and int(patience_us) > 0
        return cls(
            environ.pop("NOTIFY_SOCKET", None),
            watchdog_s=int(patience_us) / 1e6 if known else float("inf"),
        )

    def ready(self, status: str) -> None:
        """We work (again)."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        stamp_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={stamp_us}")

    def stopping(self, status: str) -> None:
        """We are about to end."""
        self._send("STOPPING=1", _status(status))

    def alive(self) -> None:
        """One full turn of the loop is done."""
        if self._flush():
            self._deliver(b"WATCHDOG=1")

    def close(self) -> None:
        """Close the socket; further states go nowhere."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        self._unsent.append("\n".join(lines).encode("utf-8", "replace"))
        self._flush()

    def _flush(self) -> bool:
        """Whether all was delivered. A busy systemd's queue is full at times, at ten datagrams;
        without a READY that was lost there it would kill us when its patience with the start ends.
        """
        while self._unsent and self._deliver(self._unsent[0]):
            self._unsent.popleft()
        return not self._unsent

    def _deliver(self, datagram: bytes) -> bool:
        """False when there is no room for it now; what cannot be heard at all counts as said."""
        if self._socket is None:
            return True
        try:
            self._socket.sendto(datagram, self._address)
        except BlockingIOError:
            return False
        except OSError:
            return True  # systemd's own timeouts judge; our work does not depend on being heard
        return True


def _status(text: str) -> str:
    """What `systemctl status` shows: one line, for systemd takes another one for a state."""
    return f"STATUS={' '.join(text.split())[:_STATUS_CHARS]}"
