"""What only this host can see: its disk and its token; measured aside, absent when unknown."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from prometheus_client.metrics_core import Metric

from noggin_mp.domain import errors, tokens
from noggin_mp.observe import logs, metrics

EVERY_S: Final = 5.0
_TOKEN_EVERY: Final = 6
"""The token is read at every so many looks: a command that gives it may be slow."""

log = logs.get("monitor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A file system's free bytes and size, for ordinary users."""

    free_bytes: int
    size_bytes: int


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """Looks every few seconds, in a thread of its own: a dead network disk may hold a look up.

    `read_token` gives the token in use, which is asked for its expiry and not kept.
    """

    output: Path
    read_token: Callable[[], str]
    stopping: Callable[[], bool]
    wait: Callable[[float], bool]
    space: Space | None = field(default=None, init=False)
    token_expiry: float | None = field(default=None, init=False)
    _looks: int = field(default=0, init=False)

    def run(self) -> None:
        """Look until stopped."""
        while not self.stopping():
            self.look()
            self.wait(EVERY_S)

    def look(self) -> None:
        """Measure once."""
        self.space = self._measured()
        if self._looks % _TOKEN_EVERY == 0:
            self.token_expiry = self._expiry()
        self._looks += 1

    def collect(self) -> Iterable[Metric]:
        """The series of what is known."""
        space, expiry = self.space, self.token_expiry
        if space is not None:
            yield metrics.single("storage_free_bytes", space.free_bytes)
            yield metrics.single("storage_size_bytes", space.size_bytes)
        if expiry is not None:
            yield metrics.single("api_token_expiry_timestamp_seconds", expiry)

    def _measured(self) -> Space | None:
        try:
            found = os.statvfs(self.output)
        except OSError as error:
            log.debug("space_unknown", error=error.strerror)
            return None
        used = found.f_blocks - found.f_bfree
        return Space(
            free_bytes=found.f_bavail * found.f_frsize,
            size_bytes=(used + found.f_bavail) * found.f_frsize,
        )

    def _expiry(self) -> float | None:
        try:
            return tokens.expires_at(self.read_token())
        except errors.NogginError as error:
            log.debug("token_unknown", error=type(error).__name__)
            return None
