"""An answer as a value: what is said, how much of it is sent, and how the connection ends."""

import dataclasses
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

from noggin_mp.simulator import media

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Ending(Enum):
    """What happens to the connection after the answer."""

    KEEP = "keep"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"


@dataclass(slots=True, kw_only=True)
class Answer:
    """Status, headers and body of one answer.

    `declared` is the Content-Length (None: none is sent); `sent` is how many bytes of the body go
    out before `ending`. `silent` sends nothing at all; `rate` is in bytes per second (0 = full
    speed). `extra` holds further header lines, each with its line end.
    """

    status: int
    content_type: str = ""
    extra: str = ""
    pieces: list[media.Piece]
    size: int
    declared: int | None
    sent: int
    ending: Ending = Ending.KEEP
    silent: bool = False
    rate: int = 0

    @property
    def plain(self) -> bool:
        """True when the answer simply goes out whole and the connection stays."""
        return (
            self.ending is Ending.KEEP
            and not self.silent
            and not self.rate
            and self.sent == self.size
        )

    def head(self) -> bytes:
        """The status line and headers, up to and with the blank line."""
        lines = f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Status')}\r\n{self.extra}"
        if self.content_type:
            lines += f"Content-Type: {self.content_type}\r\n"
        if self.declared is not None:
            lines += f"Content-Length: {self.declared}\r\n"
        if self.ending is Ending.CLOSE:
            lines += "Connection: close\r\n"
        return f"{lines}\r\n".encode("latin-1", "replace")

    def body(self) -> bytes:
        """The whole body in one piece."""
        return b"".join(self.pieces)

    def but(self, **changes: object) -> "Answer":
        """A copy with some fields replaced."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


def whole(
    status: int, body: bytes = b"", *, content_type: str = "", extra: str = "", close: bool = False
) -> Answer:
    """An honest answer with this body."""
    size = len(body)
    return Answer(
        status=status,
        content_type=content_type,
        extra=extra,
        pieces=[body] if body else [],
        size=size,
        declared=size,
        sent=size,
        ending=Ending.CLOSE if close else Ending.KEEP,
    )


def record(body: bytes) -> Answer:
    """200 with a record's JSON."""
    return whole(200, body, content_type="application/json")


def photo(file: media.Photo, *, span: tuple[int, int] | None = None) -> Answer:
    """200 with a file, or 206 with the bytes `span` (first, last) of it."""
    extra = f'ETag: "{file.tip[:32]}"\r\nAccept-Ranges: bytes\r\n'
    if span is not None:
        first, last = span
        body = file.content()[first : last + 1]
        extra += f"Content-Range: bytes {first}-{last}/{file.size_bytes}\r\n"
        return whole(206, body, content_type=file.content_type, extra=extra)
    return Answer(
        status=200,
        content_type=file.content_type,
        extra=extra,
        pieces=file.pieces(),
        size=file.size_bytes,
        declared=file.size_bytes,
        sent=file.size_bytes,
    )


def unsatisfiable(file: media.Photo) -> Answer:
    """416 for a range that begins behind the file's end."""
    return whole(416, extra=f"Content-Range: bytes */{file.size_bytes}\r\n")


def refused(status: int, message: str = "") -> Answer:
    """A refusal: empty where the real API answers with nothing, else a short JSON object."""
    body = b'{"error":"%s"}' % message.encode() if message else b""
    return whole(status, body, content_type="application/json" if message else "")
