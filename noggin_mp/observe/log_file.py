"""A log file that rotates by size or age while several processes write it."""

import contextlib
import fcntl
import os
import re
import time
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final

from noggin_mp.observe import appender

_ROTATED: Final = re.compile(r"\d{8}-\d{6}(\.\d+)?")
_AGAIN_S: Final = 60.0


class LogFile(appender.Appender):
    """Appends records to `path`; renames it when it is full or its time is over.

    It is full when a record would carry it over `max_bytes`. Its time is over when the next period
    of `max_age_s` has begun since the last record; periods are counted from midnight in `zone`. 0
    means never. The newest `keep` files that were put aside stay. One process renames, under a
    lock on the folder; the others find a new file at the path with their next record.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = 0,
        max_age_s: float = 0,
        keep: int = 14,
        zone: tzinfo = UTC,
    ) -> None:
        super().__init__(path)
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._keep = keep
        self._zone = zone
        self._not_before = 0.0

    def _append(self, found: os.stat_result, lines: bytes) -> None:
        if self._is_over(found, len(lines)) and time.monotonic() >= self._not_before:
            try:
                self._rotate(found)
                self._opened()
            except OSError:  # the record matters more than the name of its file
                self._not_before = time.monotonic() + _AGAIN_S
                if self._fd < 0:
                    raise
        super()._append(found, lines)

    def _is_over(self, found: os.stat_result, more: int) -> bool:
        if not found.st_size:
            return False
        if self._max_bytes and found.st_size + more > self._max_bytes:
            return True
        return bool(self._max_age_s) and self._period(found.st_mtime) < self._period(time.time())

    def _period(self, when: float) -> int:
        local = datetime.fromtimestamp(when, self._zone)
        offset = local.utcoffset()
        return int((when + (offset.total_seconds() if offset else 0)) // self._max_age_s)

    def _rotate(self, found: os.stat_result) -> None:
        """Put the file aside, unless another process is at it or has done it."""
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with contextlib.suppress(BlockingIOError, FileNotFoundError):
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(self.path.stat(), found):
                    self.path.rename(self._free_name())
                    self._prune()
        finally:
            os.close(folder)

    def _free_name(self) -> Path:
        stamp = f"{datetime.now(self._zone):%Y%m%d-%H%M%S}"
        name, number = f"{self.path.name}.{stamp}", 0
        while (free := self.path.with_name(name)).exists():
            number += 1
            name = f"{self.path.name}.{stamp}.{number:03d}"
        return free

    def _prune(self) -> None:
        begin = f"{self.path.name}."
        aside = sorted(
            file
            for file in self.path.parent.iterdir()
            if file.name.startswith(begin) and _ROTATED.fullmatch(file.name[len(begin) :])
        )
        for file in aside[: -self._keep]:
            with contextlib.suppress(OSError):
                file.unlink()
