"""Files that several processes append whole lines to, while somebody renames or removes them."""

import contextlib
import fcntl
import os
import threading
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class Appender:
    """Appends to `path`; each call is one write, so lines of several processes never mix.

    The path is looked up at each call: a file that was renamed or removed is followed by a new
    one. `header` goes into a file that is empty. Safe for threads; the file is opened late.
    """

    def __init__(self, path: Path, *, header: bytes = b"", mode: int = 0o640) -> None:
        self.path = path
        self._header = header
        self._mode = mode
        self._lock = threading.Lock()
        self._fd = -1
        self._torn = False

    def write(self, lines: bytes) -> None:
        """Append whole lines. Raises: OSError (no space, no folder, no permission)."""
        with self._lock:
            self._append(self._opened(), lines)

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        with self._lock:
            self._close()

    def _opened(self) -> os.stat_result:
        """What the path leads to, opened."""
        if self._fd >= 0:
            with contextlib.suppress(FileNotFoundError):
                found = self.path.stat()
                if os.path.samestat(found, os.fstat(self._fd)):
                    return found
            self._close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(self.path, _FLAGS, self._mode)
        self._torn = False
        if self._header:
            self._begin()
        return os.fstat(self._fd)

    def _begin(self) -> None:
        """Write the header, unless another process has."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            if os.fstat(self._fd).st_size == 0:
                os.write(self._fd, self._header)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _append(self, _found: os.stat_result, lines: bytes) -> None:
        """Write all; a part that a full disk left behind is ended as a line of its own."""
        left = memoryview(b"\n" + lines if self._torn else lines)
        size = len(left)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
            self._torn = False
        finally:
            self._torn = self._torn or 0 < len(left) < size

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
