"""HTTP/1.1 on one connection: just enough to be fast when honest and precise when faulty."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import cast

from noggin_mp.simulator import answers, journal, media, site
from noggin_mp.simulator.answers import Answer, Ending

_MAX_HEAD = 64 * 1024
_AT_ONCE = 256 * 1024  # answers up to this size go out in one write
_CHUNK = 1024 * 1024
_SEND_BUFFER = 4 * 1024 * 1024
_DRIPS_PER_S = 10


class Connection(asyncio.Protocol):
    """Reads requests one after another and sends each answer as it should be, or should not be."""

    __slots__ = ("_buffer", "_site", "_task", "_transport", "_writable")

    def __init__(self, served: site.Site) -> None:
        self._site = served
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    # --- what asyncio calls ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_CHUNK)
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER
        )
        self._site.count.add("connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or we closed: whatever is still being sent ends here."""
        self._site.count.add("connections", -1)
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """The client has caught up."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def data_received(self, data: bytes) -> None:
        """Serve what has arrived; a request that comes while one is served waits."""
        self._buffer += data
        if self._task is None:
            self._serve()

    # --- one request after another --------------------------------------------------------------

    def _serve(self) -> None:
        while self._task is None and not self._transport.is_closing():
            end = self._buffer.find(b"\r\n\r\n")
            if max(end, len(self._buffer) if end < 0 else 0) > _MAX_HEAD:
                self._write(answers.whole(431, close=True))
                return
            if end < 0:
                return
            head = bytes(self._buffer[:end])
            del self._buffer[: end + 4]
            request = parse(head)
            if request is None:
                self._write(answers.whole(400, close=True))
                return
            self._handle(request)

    def _handle(self, request: site.Request) -> None:
        reply = self._site.reply(request)
        answer = reply.answer
        if request.close and answer.ending is Ending.KEEP:
            answer = answer.but(ending=Ending.CLOSE)
        if answer.plain and not reply.delay_s and answer.size <= _AT_ONCE:
            self._finish(reply.entry, answer.size, aborted=False)
            self._write(answer)
            return
        self._site.count.add("in_flight")
        self._task = asyncio.get_running_loop().create_task(
            self._deliver(answer, reply.delay_s, reply.entry)
        )

    def _write(self, answer: Answer) -> None:
        self._transport.write(b"".join((answer.head(), *answer.pieces)))
        if answer.ending is Ending.CLOSE:
            self._transport.close()

    def _finish(self, entry: journal.Entry, sent: int, *, aborted: bool) -> None:
        self._site.count.add("bytes", sent)
        if aborted:
            self._site.count.add("aborted")
        self._site.log.write(entry, sent_bytes=sent, aborted=aborted)

    # --- answers that take time -----------------------------------------------------------------

    async def _deliver(self, answer: Answer, delay_s: float, entry: journal.Entry) -> None:
        sent, logged, aborted = 0, False, True
        try:
            if delay_s:
                await asyncio.sleep(delay_s)
            chunks = [] if answer.silent else list(_chunks(answer))
            if not answer.silent:
                self._transport.write(answer.head())
            for at, chunk in enumerate(chunks):
                if at == len(chunks) - 1 and answer.ending is Ending.KEEP:
                    self._finish(entry, answer.sent, aborted=False)
                    logged = True
                await self._send(chunk, answer.rate)
                sent += len(chunk)
            await self._end(answer.ending)
            aborted = False
        finally:
            if not logged:
                self._finish(entry, sent, aborted=aborted)
            self._site.count.add("in_flight", -1)  # last: at 0 every request is in the log
            self._task = None
        self._serve()

    async def _end(self, ending: Ending) -> None:
        if ending is Ending.HANG:
            await asyncio.sleep(self._site.conduct.stall_s)
            self._reset()
        elif ending is Ending.RESET:
            self._reset()
        elif ending is Ending.CLOSE:
            self._transport.close()

    async def _send(self, chunk: media.Piece, rate: int) -> None:
        if rate:
            step = max(1, rate // _DRIPS_PER_S)
            for at in range(0, len(chunk), step):
                self._transport.write(chunk[at : at + step])
                await asyncio.sleep(step / rate)
            return
        self._transport.write(chunk)
        if self._writable is not None:
            await self._writable

    def _reset(self) -> None:
        """Close with a TCP reset instead of an orderly end."""
        with contextlib.suppress(OSError):
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self._transport.abort()


def _chunks(answer: Answer) -> Iterator[media.Piece]:
    """The bytes to send: in one piece when few, else in pieces of at most a mebibyte."""
    if answer.sent <= _AT_ONCE:
        if answer.sent:
            yield answer.body()[: answer.sent]
        return
    left = answer.sent
    for piece in answer.pieces:
        view = memoryview(piece)[:left]
        left -= len(view)
        for at in range(0, len(view), _CHUNK):
            yield view[at : at + _CHUNK]


def parse(head: bytes) -> site.Request | None:
    """The request in `head` (without its blank line), or None when it is not HTTP/1."""
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        return None
    request = site.Request(method=parts[0], target=parts[1], close=parts[2] == "HTTP/1.0")
    for line in lines[1:]:
        name, _, value = line.partition(":")
        match name.lower():
            case "authorization":
                request.authorization = value.strip()
            case "en-namespace":
                request.namespace = value.strip()
            case "user-agent":
                request.agent = value.strip()
            case "range":
                request.span = value.strip()
            case "if-range":
                request.if_range = value.strip()
            case "connection":
                request.close = value.strip().lower() == "close"
            case _:
                pass
    return request
