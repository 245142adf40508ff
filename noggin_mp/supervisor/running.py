"""config.json: the configuration that a supervisor runs with, for commands that ask about it.

Its values are without secrets; of these it holds marks too short to be guessed from. The texts of
the files, as they were last read, lie beside it for the owner alone: while the file that people
edit is broken, commands still find the fleet and its database.
"""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noggin_mp.observe import logs
from noggin_mp.settings import diff, schema
from noggin_mp.supervisor import claims, pidfile

SHOWN_FILE = "config.json"
TEXTS_FILE = "config.files"
_MARK_DIGITS = 4
_LOOK_EVERY_S = 5.0
_CLAIMED = "claimed"
"""In a pointer: its supervisor claims it while it lives. Older versions claimed nothing."""
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - the owner is checked before use

log = logs.get("supervisor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What a supervisor runs with: facts by key, and what its command line has fixed."""

    version: int
    facts: diff.Facts
    pinned: Mapping[str, Any]
    salt: str


class Publication:
    """What is in effect, as files: written again when they went away, or could not be written.

    A disk that is full must not stop the fleet: the log tells it, once.
    """

    def __init__(self, *, file: Path | None, pinned: Mapping[str, Any], salt: str) -> None:
        """`salt`: the identity of the state folder."""
        self._file = file
        self._salt = salt
        self._pinned = dict(pinned)
        self._folder = Path()
        self._said: dict[str, object] = {}
        self._texts: dict[str, str] = {}
        self._claim: int | None = None
        self._look_at = 0.0
        self._failing = False

    def publish(self, settings: schema.Settings, *, version: int, texts: Mapping[str, str]) -> None:
        """Say what is in effect from now on."""
        self._folder = settings.paths.state
        self._said = {
            "version": version,
            "applied_at": time.time(),
            "pinned": self._pinned,
            "settings": diff.to_json(facts(settings, self._salt)),
        }
        self._texts = dict(texts)
        self._write()

    def look(self, now: float) -> None:
        """Write it again, if need be; now and then."""
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_EVERY_S
        names = (SHOWN_FILE, TEXTS_FILE)
        if self._failing or not all(os.path.lexists(self._folder / name) for name in names):
            self._write()

    def _write(self) -> None:
        folder, file = self._folder, self._file
        try:
            _write(folder / SHOWN_FILE, self._said, mode=0o640)
            _write(folder / TEXTS_FILE, {"file": str(file or ""), "texts": self._texts}, mode=0o600)
            if file is not None:
                with contextlib.suppress(OSError):
                    self._point(_pointer(file, os.geteuid()))
            self._failing = False
        except OSError as error:
            if not self._failing:
                log.warning("configuration_not_published", reason=error.strerror)
            self._failing = True

    def _point(self, pointer: Path) -> None:
        """Say where the state folder is: in place, for the file is claimed. Raises: OSError."""
        if self._claim is not None:
            if claims.is_there(pointer, self._claim):
                return
            os.close(self._claim)  # somebody has removed it
            self._claim = None
        self._claim = claims.claim(pointer, mode=0o644)
        told = json.dumps({"state": str(self._folder), _CLAIMED: True}).encode()
        os.fchmod(self._claim, 0o644)
        os.pwrite(self._claim, told, 0)
        os.ftruncate(self._claim, len(told))

    def withdraw(self) -> None:
        """This supervisor runs no more; another one may still run with the same file."""
        if self._file is None or self._claim is None:
            return
        with contextlib.suppress(OSError):
            claims.give_back(_pointer(self._file, os.geteuid()), self._claim)
        self._claim = None


def sweep() -> None:
    """Remove what this user's supervisors left in shared memory when they were killed.

    It was of use only while they lived: `texts` asks for a living one.
    """
    for pointer in _SHARED_MEMORY.glob(f"noggin-mp-config-{os.geteuid()}-*"):
        with contextlib.suppress(OSError, ValueError), claims.unclaimed(pointer) as free:
            if free and json.loads(pointer.read_text()).get(_CLAIMED):
                pointer.unlink()


def facts(settings: schema.Settings, salt: str) -> dict[str, diff.Fact]:
    """Every key as it is published."""
    return diff.facts(settings, salt=salt, digits=_MARK_DIGITS)


def read(folder: Path) -> Running | None:
    """What the supervisor of this state folder runs with; None when none runs, or none says so."""
    if pidfile.read_state(folder)["pid"] is None:
        return None
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        said = json.loads((folder / SHOWN_FILE).read_text())
        return Running(
            version=said["version"],
            facts=diff.from_json(said["settings"]),
            pinned=said["pinned"],
            salt=pidfile.instance(folder),
        )
    return None


def texts(file: Path) -> dict[str, str]:
    """The files, by path, that the supervisor started with `file` has last read; empty when none
    runs, or this user may not see them."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        folder = _state_folder(file)
        if folder is None or pidfile.read_state(folder)["pid"] is None:
            return {}
        told = json.loads((folder / TEXTS_FILE).read_text())
        return {str(path): str(text) for path, text in told["texts"].items()}
    return {}


def _state_folder(file: Path) -> Path | None:
    """The state folder that a supervisor we can trust has named for `file`."""
    owners = {0, os.geteuid()}
    with contextlib.suppress(OSError):
        owners.add(file.stat().st_uid)
    name = _name(file)
    for one in sorted(_SHARED_MEMORY.glob(f"noggin-mp-config-*-{name}")):
        # It may be removed, or written, at this moment.
        with contextlib.suppress(OSError, ValueError):
            if one.lstat().st_uid in owners or os.geteuid() == 0:
                return Path(json.loads(one.read_text())["state"])
    return None


def _pointer(file: Path, uid: int) -> Path:
    return _SHARED_MEMORY / f"noggin-mp-config-{uid}-{_name(file)}"


def _name(file: Path) -> str:
    return hashlib.sha256(os.fsencode(file.absolute())).hexdigest()[:12]


def _write(path: Path, said: Mapping[str, object], *, mode: int) -> None:
    """Replace a file as one step. Raises: OSError."""
    fresh = path.with_name(f".{path.name}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(fd, "w", encoding="utf-8") as stream:
        os.fchmod(fd, mode)
        json.dump(said, stream)
    fresh.replace(path)
