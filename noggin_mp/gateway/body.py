"""The content of a body in bounded pieces, whatever the server wrapped it in."""

import threading
import zlib
from collections.abc import Iterator

from noggin_mp.gateway import exchanges, reasons

CHUNK_BYTES = 256 * 1024
_WBITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class _Buffer(threading.local):
    """One buffer per thread, made when first used."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(CHUNK_BYTES))


_buffer = _Buffer()


def chunks(exchange: exchanges.Exchange) -> Iterator[memoryview | bytes]:
    """The content in pieces of at most 256 KiB; each is valid until the next is asked for.

    We ask for `identity`; a server that compresses all the same is decoded, piece by piece, so
    that a bomb meets the caller's cap and never our memory.
    Raises: reasons.Broken, http.Cancelled.
    """
    view = _buffer.view
    if not exchange.encoding:
        while count := exchange.read_into(view):
            yield view[:count]
        return
    decoder = _Decoder(exchange.encoding)
    while count := exchange.read_into(view):
        yield from decoder.feed(view[:count])
    decoder.finish()


class _Decoder:
    def __init__(self, encoding: str) -> None:
        if encoding not in _WBITS:
            raise reasons.bad_content("bad_encoding", "sent in an encoding we did not ask for")
        self._wbits = _WBITS[encoding]
        self._stream = zlib.decompressobj(self._wbits)

    def feed(self, data: memoryview | bytes) -> Iterator[bytes]:
        while True:
            if self._stream.eof:  # gzip allows several members, one after the other
                if not data:
                    return
                self._stream = zlib.decompressobj(self._wbits)
            try:
                piece = self._stream.decompress(data, CHUNK_BYTES)
            except zlib.error:
                raise reasons.bad_content("bad_encoding") from None
            data = self._stream.unused_data or self._stream.unconsumed_tail
            if piece:
                yield piece
            if not data and len(piece) < CHUNK_BYTES:
                return

    def finish(self) -> None:
        if not self._stream.eof:
            raise reasons.bad_content("truncated", "the compressed body ended early")
