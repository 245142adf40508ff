"""Tell systemd how we are, by its datagram protocol; a no-op when nobody listens.

Source: sd_notify(3).
"""

import os
import socket
import time
from collections.abc import MutableMapping


class Notifier:
    """Sends states to the socket that NOTIFY_SOCKET names; never fails, never blocks."""

    def __init__(self, address: str | None) -> None:
        """`address`: a path, or `@name` for the abstract name space; None: say nothing."""
        self._socket: socket.socket | None = None
        if not address or address[0] not in "/@":
            return
        self._address = "\0" + address[1:] if address[0] == "@" else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    @classmethod
    def take(cls, environ: MutableMapping[str, str] = os.environ) -> "Notifier":
        """The notifier of this process; the variables are removed, so no child speaks for us."""
        for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
            environ.pop(name, None)
        return cls(environ.pop("NOTIFY_SOCKET", None))

    def ready(self, status: str) -> None:
        """We work (again)."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        stamp_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={stamp_us}")

    def stopping(self, status: str) -> None:
        """We are about to end."""
        self._send("STOPPING=1", f"STATUS={status}")

    def alive(self) -> None:
        """One full turn of the loop is done."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket; further states go nowhere."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is None:
            return
        text = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError:
            return  # systemd's own timeouts judge; our work does not depend on being heard
