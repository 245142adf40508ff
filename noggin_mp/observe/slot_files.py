"""The folder of metrics files: one set of files per slot, read together for each scrape.

A slot, not a process, owns its files: a respawned worker goes on where its predecessor was killed.
"""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_QUARANTINE = "corrupt"


def prepare(directory: Path) -> None:
    """Make the folder, or empty it; only at the start of a supervisor, before anyone writes.

    Raises: OSError when it cannot be made or emptied.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for file in [*directory.glob("*.db"), *(directory / _QUARANTINE).glob("*")]:
        file.unlink(missing_ok=True)


def adopt(directory: Path, slot: str, readable: Callable[[Path], bool]) -> None:
    """Make the folder this process's, and put aside what of the slot's files cannot be read."""
    directory.mkdir(parents=True, exist_ok=True)
    os.environ[VARIABLE] = str(directory)
    for file in sorted(directory.glob(f"*_{slot}.db")):
        if not readable(file):
            quarantine(file)


def quarantine(file: Path) -> None:
    """Move a corrupt file aside, for a person to look at; its series start at 0 again."""
    aside = file.parent / _QUARANTINE
    with contextlib.suppress(OSError):
        aside.mkdir(exist_ok=True)
        file.rename(aside / f"{file.name}.{time.time_ns()}")


def quarantined(directory: Path) -> int:
    """How many files were put aside since `prepare`."""
    return sum(1 for _ in (directory / _QUARANTINE).glob("*"))


def inode(stream: BinaryIO) -> int:
    """What tells a file from another of the same name."""
    return os.fstat(stream.fileno()).st_ino
