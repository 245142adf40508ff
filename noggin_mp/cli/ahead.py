"""Reading the settings in a forked child while this process imports the command line and the
database driver.

Most of what `status` and `health` take is the import of large libraries: the driver's on one core,
the settings', which is the longer way, on another. Probes and people call them all day.
"""

import contextlib
import gc
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from noggin_mp.settings.schema import Settings

_LOADED = ("psycopg", "pydantic")
"""With one of these in memory already there is nothing to win."""
_VERBS = ("status", "health")
_MOST_BYTES = 65536
"""Of an order: more than any path has."""


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

    It imports what that takes while nobody has said yet which file it is.
    """

    def __init__(self, read: Callable[[Path | None], Essentials]) -> None:
        """Fork. Raises: OSError."""
        hearing, self._order = os.pipe()
        self._pipe, telling = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            for fd in (hearing, self._order, self._pipe, telling):
                os.close(fd)
            raise
        if self._pid == 0:
            os.close(self._order)  # else its end is never heard
            _serve(read, hearing, telling)
        os.close(hearing)
        os.close(telling)

    def ask(self, config: Path | None) -> None:
        """Have the settings read from this file, or from where they are found without one."""
        with contextlib.suppress(BrokenPipeError):  # it was killed; `told` finds out
            os.write(self._order, json.dumps(None if config is None else str(config)).encode())
        os.close(self._order)

    def told(self) -> Essentials | None:
        """The essentials, waited for; None when the child could not read the settings."""
        # Needed where no database is configured, and there is time while the child reads.
        importlib.import_module("noggin_mp.store.embedded")
        with os.fdopen(self._pipe, "rb") as pipe:
            text = pipe.read()
        with contextlib.suppress(ChildProcessError):  # it ended while SIGCHLD was still ignored
            os.waitpid(self._pid, 0)
        return Essentials(*json.loads(text)) if text else None


_prepared: list[Reader] = []


def prepare(arguments: Sequence[str]) -> None:
    """Begin before the command line is understood, when it looks like one of a verb that looks."""
    words = iter(arguments)
    for word in words:
        if word in ("-c", "--config"):
            next(words, None)
        elif not word.startswith("-"):
            if word in _VERBS and (reader := _made()):
                _prepared.append(reader)
            return


def start(config: Path | None) -> Reader | None:
    """A child that reads this configuration; None where that saves no time, or none can be had."""
    reader = _prepared.pop() if _prepared else _made()
    if reader is not None:
        reader.ask(config)
    return reader


def _made() -> Reader | None:
    if len(os.sched_getaffinity(0)) < 2 or any(name in sys.modules for name in _LOADED):
        return None
    try:
        return Reader(_read)
    except OSError:
        return None


def _read(config: Path | None) -> Essentials:
    from noggin_mp.settings import loader

    return Essentials.of(loader.read(config, env=os.environ).settings)


def _serve(read: Callable[[Path | None], Essentials], hearing: int, telling: int) -> None:
    """The whole life of the child; it never returns to its parent's code."""
    try:
        gc.disable()  # imports leave next to no garbage, and it ends soon
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):  # whoever reads what we print shall not wait for a child's end
            os.dup2(nowhere, stream)
        importlib.import_module("noggin_mp.settings.loader")
        order = os.read(hearing, _MOST_BYTES)
        if order:  # else nobody wants to know: another verb, or a usage error
            named = json.loads(order)
            text = json.dumps(read(None if named is None else Path(named))).encode()
            # Less than a pipe holds, so it goes in at once: what arrives is whole.
            os.write(telling, text)
    finally:
        os._exit(0)
