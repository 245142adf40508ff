"""The folder of metrics files: one set of files per slot, read together for each scrape.

A slot, not a process, owns its files: a respawned worker goes on where its predecessor was killed.
"""

import contextlib
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import metrics_core
from prometheus_client.multiprocess import MultiProcessCollector

from noggin_mp.observe import catalogue

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_QUARANTINE = "corrupt"
_HEADER = struct.Struct("i")  # how many bytes are used
_FIRST_ENTRY = 8


def prepare(directory: Path) -> None:
    """Make the folder, or empty it; only at the start of a supervisor, before anyone writes.

    Raises: OSError when it cannot be made or emptied.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for file in [*directory.glob("*.db"), *(directory / _QUARANTINE).glob("*")]:
        file.unlink(missing_ok=True)


def adopt(directory: Path, slot: str) -> None:
    """Make the folder this process's, and put aside what of the slot's files cannot be read."""
    directory.mkdir(parents=True, exist_ok=True)
    os.environ[VARIABLE] = str(directory)
    for file in sorted(directory.glob(f"*_{slot}.db")):
        if not _readable(file):
            quarantine(file)


def quarantine(file: Path) -> None:
    """Move a corrupt file aside, for a person to look at; its series start at 0 again."""
    aside = file.parent / _QUARANTINE
    aside.mkdir(exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        file.rename(aside / f"{file.name}.{time.time_ns()}")


def quarantined(directory: Path) -> int:
    """How many files were put aside since `prepare`."""
    return sum(1 for _ in (directory / _QUARANTINE).glob("*"))


class Merged:
    """A collector of all slots' files; a corrupt one is put aside and never fails the scrape."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterator[metrics_core.Metric]:
        """All series, those with the same labels added up."""
        files = [file for file in sorted(self._directory.glob("*.db")) if self._sound(file)]
        try:
            yield from _merge(files)
        except Exception:
            yield from _merge([file for file in files if self._usable(file)])

    def _sound(self, file: Path) -> bool:
        return self._or_quarantine(file, _has_sound_header)

    def _usable(self, file: Path) -> bool:
        return self._or_quarantine(file, _readable)

    def _or_quarantine(self, file: Path, check: Callable[[Path], bool]) -> bool:
        # Twice: a file that is being made, or that is written to just now, heals in an instant.
        if check(file) or check(file):
            return True
        quarantine(file)
        return False


def _merge(files: Iterable[Path]) -> list[metrics_core.Metric]:
    merge = MultiProcessCollector.merge
    return list(merge([str(file) for file in files], accumulate=True))  # type: ignore[no-untyped-call]


def _has_sound_header(file: Path) -> bool:
    """True when the used length lies within the file, or its maker has not yet written one.

    With a negative length the library reads nothing, silently, and writes outside of the file.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEADER.size)
        used = _HEADER.unpack(head)[0] if head else 0
        return used == 0 or _FIRST_ENTRY <= used <= file.stat().st_size
    except FileNotFoundError:
        return True
    except (OSError, struct.error):
        return False


def _readable(file: Path) -> bool:
    """True when every entry of the file can be read and is one of ours."""
    try:
        if not _has_sound_header(file):
            return False
        if file.stat().st_size == 0:
            return True
        return all(metric.name.startswith(catalogue.PREFIX) for metric in _merge([file]))
    except FileNotFoundError:
        return True
    except Exception:  # whatever garbage makes the library stumble over
        return False
