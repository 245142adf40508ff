"""A metrics file whose space is there before it is written: a full disk must not kill a process.

The library writes to a file mapped into memory. Where such a page has no space on its disk, and
/dev/shm is often small and shared with others, the kernel answers with SIGBUS.
"""

import mmap
import os
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import mmap_dict

_ROOM_BYTES: Final = 64
"""What an entry takes besides its key, and more. Source: prometheus_client/mmap_dict.py."""


class Reserved(mmap_dict.MmapedDict):
    """The library's dictionary in a file; in memory of its own once the disk gives no space.

    `refused` is called with the reason when it comes to that: these series are scraped no longer.
    """

    refused: Callable[[OSError], None] = staticmethod(lambda _error: None)

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        try:
            if not read_mode:
                with open(filename, "ab") as file:  # noqa: PTH123 - the library's name for it
                    _reserve(file, max(mmap.PAGESIZE, os.fstat(file.fileno()).st_size))
        except OSError as error:
            self.refused(error)
            memory = os.memfd_create("metrics")
            super().__init__(f"/proc/self/fd/{memory}")  # type: ignore[no-untyped-call]
            os.close(memory)
        else:
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]

    def _init_value(self, key: str) -> None:
        needed, capacity = self._used + len(key.encode()) + _ROOM_BYTES, self._capacity
        while capacity < needed:
            capacity *= 2
        if capacity > self._capacity:
            try:
                _reserve(self._f, capacity)
            except OSError as error:
                self.refused(error)
                self._move(capacity)
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _move(self, capacity: int) -> None:
        """Go on in memory with what is known; the file keeps what it has."""
        file = open(os.memfd_create("metrics"), "r+b")  # noqa: PTH123, SIM115 - closed by `close`
        file.truncate(capacity)
        room = mmap.mmap(file.fileno(), capacity)
        room[: self._used] = self._m[: self._used]
        self._m.close()
        self._f.close()
        self._f, self._m, self._capacity = file, room, capacity


def _reserve(file: Any, size_bytes: int) -> None:
    """Have the disk give so much space now. Raises: OSError when it does not."""
    os.posix_fallocate(file.fileno(), 0, size_bytes)
