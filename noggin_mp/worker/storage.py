"""Whether this host's own disk lets a worker go on: the floor of free space, and failed writes."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from noggin_mp.domain import errors
from noggin_mp.gateway import files
from noggin_mp.observe import logs

_PAUSE_S: Final = 5.0

log = logs.get("worker")


class Storage:
    """The output folder as the worker's main loop sees it: usable, or in trouble for a while."""

    def __init__(
        self, folder: Path, *, floor_bytes: int, tell: Callable[[errors.LocalTrouble], None]
    ) -> None:
        """`tell` is told of a trouble once, until it is over."""
        self._folder = folder
        self.floor_bytes = floor_bytes
        self._tell = tell
        self._until = 0.0

    @property
    def in_trouble(self) -> bool:
        """True from the first failure until a look finds all well again."""
        return self._until > 0

    def failed(self, trouble: errors.LocalTrouble, *, now: float) -> None:
        """Note a failure: nothing is to be leased for some seconds."""
        if not self.in_trouble:
            log.error("local_trouble", error=str(trouble), code=trouble.code)
            self._tell(trouble)
        self._until = now + _PAUSE_S

    def usable(self, *, now: float) -> bool:
        """True when new work may be leased; after a failure only when a file could be written."""
        if now < self._until:
            return False
        try:
            files.require_space(self._folder, self.floor_bytes)
            if self.in_trouble:
                files.ensure_writable(self._folder)
        except errors.LocalTrouble as trouble:
            self.failed(trouble, now=now)
            return False
        if self.in_trouble:
            self._until = 0.0
            log.info("local_trouble_over")
        return True
