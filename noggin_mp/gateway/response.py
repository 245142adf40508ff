"""An answer whose body ends only where HTTP says it ends."""

import http.client
import re

from noggin_mp.gateway import reasons

_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
_MAX_CHUNK_LINE = 4096
_MAX_TRAILERS = 64


def _truncated() -> reasons.Broken:
    return reasons.bad_content("truncated")


class StrictResponse(http.client.HTTPResponse):
    """http.client's answer with a strict body.

    http.client forgives a short body, odd chunk sizes and a missing last chunk; a file published
    on such terms could be half a photo.
    """

    taken: int = 0
    """How many bytes of the body have come, those before a failure included."""

    _left: int = 0
    _begun: bool = False

    def body_into(self, view: memoryview) -> int:
        """Fill `view` from the body; a count below its length means the body is complete.

        Raises: reasons.Broken (truncated, bad_chunking).
        """
        if self.isclosed():
            return 0
        if self.chunked:
            return self._chunked_into(view)
        if self.length is None:
            return self._rest_into(view)
        count = self._fill(view[: self.length])
        self.length -= count
        if self.length and count < len(view):
            raise _truncated()
        if not self.length:
            self.close()
        return count

    def _fill(self, view: memoryview) -> int:
        """As `fp.readinto`, but what came before it failed is counted."""
        filled = 0
        while filled < len(view):
            count = self.fp.readinto1(view[filled:])
            if not count:
                break
            filled += count
            self.taken += count
        return filled

    def _rest_into(self, view: memoryview) -> int:
        count = self._fill(view)
        if count < len(view):
            self.close()
        return count

    def _chunked_into(self, view: memoryview) -> int:
        filled = 0
        while filled < len(view):
            if not self._left:
                self._left = self._next_chunk()
                if not self._left:
                    self._skip_trailers()
                    self.close()
                    break
            count = self._fill(view[filled : filled + self._left])
            if not count:
                raise _truncated()
            filled += count
            self._left -= count
        return filled

    def _next_chunk(self) -> int:
        if self._begun:
            ending = self.fp.read(2)
            if len(ending) < 2:
                raise _truncated()
            if ending != b"\r\n":
                raise reasons.bad_content("bad_chunking", "a chunk is longer than it says")
        self._begun = True
        size = self._line().partition(b";")[0].strip(b" \t")
        if not _CHUNK_SIZE.fullmatch(size):
            raise reasons.bad_content("bad_chunking", "a chunk's size is no number")
        return int(size, 16)

    def _skip_trailers(self) -> None:
        for _ in range(_MAX_TRAILERS):
            if self._line() == b"":
                return
        raise reasons.bad_content("bad_chunking", "the trailer has no end")

    def _line(self) -> bytes:
        line = self.fp.readline(_MAX_CHUNK_LINE)
        if line.endswith(b"\r\n"):
            return line[:-2]
        if len(line) < _MAX_CHUNK_LINE and not line.endswith(b"\n"):
            raise _truncated()
        raise reasons.bad_content("bad_chunking", "a chunk's line does not end")
