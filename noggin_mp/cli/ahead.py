"""Reading the settings in a forked child while this process imports the database driver.

Half of what `status` and `health` take is the import of two large libraries, the driver's and the
settings', on one core each. Probes and people call them all day.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from noggin_mp.settings.schema import Settings

_LOADED = ("psycopg", "pydantic")
"""With one of these in memory already there is nothing to win."""


class Essentials(NamedTuple):
    """What a verb that only looks needs of the settings, named as they are there."""

    dsn: str
    schema_name: str
    state: str
    output: str
    host: str
    min_free_bytes: int
    api_host: str

    @classmethod
    def of(cls, settings: "Settings") -> Self:
        """These settings' essentials."""
        return cls(
            dsn=settings.database.dsn,
            schema_name=settings.database.schema_name,
            state=str(settings.paths.state),
            output=str(settings.paths.output),
            host=settings.fleet.host,
            min_free_bytes=settings.attachments.min_free_bytes,
            api_host=settings.api.host,
        )

    @property
    def state_folder(self) -> Path:
        """paths.state."""
        return Path(self.state)


class Reader:
    """A child that reads the settings, and tells the essentials through a pipe: the DSN is among
    them. It tells nothing when they cannot be read; who asked reads them then, for the error.
    """

    def __init__(self, read: Callable[[], Essentials]) -> None:
        """Fork. Raises: OSError."""
        self._pipe, writing = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            os.close(self._pipe)
            os.close(writing)
            raise
        if self._pid == 0:
            _tell(read, writing)
        os.close(writing)

    def told(self) -> Essentials | None:
        """The essentials, waited for; None when the child could not read the settings."""
        # Needed where no database is configured, and there is time while the child reads.
        importlib.import_module("noggin_mp.store.embedded")
        with os.fdopen(self._pipe, "rb") as pipe:
            text = pipe.read()
        os.waitpid(self._pid, 0)
        return Essentials(*json.loads(text)) if text else None


def start(read: Callable[[], Essentials]) -> Reader | None:
    """A child that does `read`; None where that saves no time, or no process can be had."""
    if len(os.sched_getaffinity(0)) < 2 or any(name in sys.modules for name in _LOADED):
        return None
    try:
        return Reader(read)
    except OSError:
        return None


def _tell(read: Callable[[], Essentials], writing: int) -> None:
    """The whole life of the child; it never returns to its parent's code."""
    try:
        text = json.dumps(read()).encode()
        # Less than a pipe holds, so it goes in at once: what arrives is whole.
        os.write(writing, text)
    finally:
        os._exit(0)
