"""A GET over a bare socket: what came, byte for byte, and how the connection ended."""

import socket
import sys
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """`head` is all up to the blank line, `body` the rest; `end` is closed, reset or open."""

    head: str
    body: bytes
    end: str

    @property
    def status(self) -> int:
        """The status code; 0 when nothing came."""
        return int(self.head.split(" ", 2)[1]) if self.head else 0

    def header(self, name: str) -> str | None:
        """A header's value."""
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


def get(
    base_url: str,
    path: str,
    headers: dict[str, str],
    *,
    first_s: float = 60.0,
    quiet_s: float = 0.3,
    between_s: float = 60.0,
    limit: int | None = None,
) -> RawAnswer:
    """Ask once and read until the server ends the connection or falls silent.

    It may take `first_s` to begin, be silent for `between_s` while the answer is not yet as long
    as its head says (or says nothing), and for `quiet_s` once it is.
    With `limit`, reading stops once that many bytes of body have come (`end` is then open).
    """
    where = urlsplit(base_url)
    lines = [f"GET {path} HTTP/1.1", f"Host: {where.netloc}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    received, end = bytearray(), "closed"
    with socket.create_connection((where.hostname or "", where.port or 80), timeout=60) as link:
        link.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        link.settimeout(first_s)
        try:
            while block := link.recv(1 << 20):
                received += block
                answer = _answer(received, "open")
                whole = len(answer.body) >= int(answer.header("content-length") or sys.maxsize)
                link.settimeout(quiet_s if whole else between_s)
                if limit is not None and len(answer.body) >= limit:
                    end = "open"
                    break
        except TimeoutError:
            end = "open"
        except ConnectionResetError:
            end = "reset"
    return _answer(received, end)


def _answer(received: bytearray, end: str) -> RawAnswer:
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    return RawAnswer(head=head.decode("latin-1"), body=body, end=end)
