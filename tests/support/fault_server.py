"""A raw-socket HTTP server on loopback whose every byte, pause and reset a test decides."""

import contextlib
import itertools
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.support.listener import Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    connection: int


class Wire:
    """The server's end of one connection, in the hands of a handler."""

    def __init__(self, sock: socket.socket, request: Request, stopping: threading.Event) -> None:
        self._sock = sock
        self._stopping = stopping
        self.request = request
        self.keep_open = False

    def send(self, data: bytes) -> None:
        """Put `data` on the wire."""
        self._sock.sendall(data)

    def answer(self, reply: bytes) -> None:
        """Send a whole answer and keep the connection for the next request."""
        self.send(reply)
        self.keep_open = True

    def stall(self) -> None:
        """Say nothing until the server stops, or the client has gone."""
        self._sock.settimeout(0.05)
        while not self._stopping.is_set():
            try:
                if not self._sock.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    def drip(self, data: bytes, every_s: float) -> None:
        """Send `data` byte by byte until the client has had enough."""
        for index in range(len(data)):
            self.send(data[index : index + 1])
            if self._stopping.wait(every_s):
                return

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        linger = struct.pack("ii", 1, 0)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


Handler = Callable[[Wire], None]


def reply(body: bytes = b"", *, status: int = 200, headers: dict[str, str] | None = None) -> bytes:
    """An answer; its Content-Length is right unless `headers` says otherwise ("" = without)."""
    fields = {"Content-Length": str(len(body))} | (headers or {})
    lines = [f"HTTP/1.1 {status} whatever", *(f"{k}: {v}" for k, v in fields.items() if v)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class FaultServer(Listener):
    """Listens on loopback; `handler` answers every request, which `requests` remembers."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.handler: Handler = lambda wire: wire.answer(reply(status=404))
        self.requests: list[Request] = []
        self._context = context
        self.base_url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self.start()

    def answers(self, *replies: bytes) -> None:
        """Answer the requests with `replies` in turn; the last one repeats."""
        turns = itertools.chain(replies, itertools.repeat(replies[-1]))
        self.handler = lambda wire: wire.answer(next(turns))

    def serve(self, sock: socket.socket, number: int) -> None:
        """Answer the connection's requests, one after the other."""
        with contextlib.suppress(OSError, ssl.SSLError):
            sock.settimeout(60)
            if self._context:
                sock = self._context.wrap_socket(sock, server_side=True)
            with sock:
                for request in self._read(sock, number):
                    wire = Wire(sock, request, self._stopping)
                    self.handler(wire)
                    if not wire.keep_open:
                        return
        sock.close()

    def _read(self, sock: socket.socket, number: int) -> Iterator[Request]:
        held = b""
        while not self._stopping.is_set():
            while b"\r\n\r\n" not in held:
                try:
                    sock.settimeout(0.1)
                    data = sock.recv(65536)
                except TimeoutError:
                    if self._stopping.is_set():
                        return
                    continue
                if not data:
                    return
                held += data
            sock.settimeout(60)
            head, _, held = held.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            method, path, _ = first.split(" ")
            pairs = (line.split(": ", 1) for line in lines)
            request = Request(
                method=method,
                path=path,
                headers={name.lower(): value for name, value in pairs},
                connection=number,
            )
            self.requests.append(request)
            yield request


@contextlib.contextmanager
def running(context: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
    """A server for the length of a `with` block."""
    server = FaultServer(context)
    try:
        yield server
    finally:
        server.stop()
