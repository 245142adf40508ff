"""What the doctor finds of systemd and supervisord: whose program they start, and how they stop it.

Nothing is changed, and a machine without either is well too.
"""

import configparser
import getpass
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noggin_mp.cli.findings import Check, Verdict, failed, ok, skipped, warning
from noggin_mp.domain import errors
from noggin_mp.settings.schema import Settings

UNIT: Final = "noggin-processor.service"
MONITOR_UNIT: Final = "noggin-monitor.service"
WORKER_UNIT: Final = "noggin-worker@0.service"
"""These two instead, where systemd itself keeps each process."""
SYSTEMD_SPARE_S, SUPERVISORD_SPARE_S = 30, 10
"""How much longer than fleet.grace_s a stop may take. Source: docs/explanation/supervision.md."""
_TIMEOUT_S: Final = 4.0
_LOCAL: Final = errors.LocalTrouble.exit_code
_SUPERVISORD_PLACES: Final = (
    "supervisor/supervisord.conf", "supervisord.conf", "supervisor/conf.d/*.conf",
    "supervisord.d/*.conf", "supervisord.d/*.ini",
)  # fmt: skip
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|min|h|d|day|days|w|week|weeks|month|y)")
_SECONDS: Final = {
    "us": 1e-6, "ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86_400, "day": 86_400,
    "days": 86_400, "w": 604_800, "week": 604_800, "weeks": 604_800, "month": 2_629_800,
    "y": 31_557_600,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program of supervisord's that is ours: its section, file, and options."""

    name: str
    file: Path
    options: Mapping[str, str]


class Doctor:
    """Checks of the service managers; `config` is the file in use, None without one."""

    def __init__(
        self, settings: Settings, *, config: Path | None, etc: Path = Path("/etc")
    ) -> None:
        self._settings = settings
        self._config = config.resolve() if config is not None else None
        self._etc = etc

    def checks(self) -> list[Check]:
        """Both managers."""
        return [
            Check(name="systemd", look=self._systemd),
            Check(name="supervisord", look=self._supervisord),
        ]

    def _systemd(self) -> Iterator[Verdict]:
        if shutil.which("systemctl") is None:
            yield ok("not on this machine")
            return
        told = _unit_shown(UNIT)
        if told is None:
            yield ok("does not run this machine")
            return
        alone = _unit_shown(MONITOR_UNIT) or {}
        if _wanted(alone) and _wanted(told):
            yield warning(
                f"{UNIT} and {MONITOR_UNIT} are both for use here, and exclude one another",
                f"keep one way: systemctl disable --now {UNIT}, or {MONITOR_UNIT} with its workers",
            )
        elif _wanted(alone):
            yield from self._unit(alone, MONITOR_UNIT)
            yield from self._unit(_unit_shown(WORKER_UNIT) or {}, WORKER_UNIT)
        elif told.get("LoadState") != "loaded":
            yield from self._user_unit()
        else:
            yield from self._unit(told, UNIT)

    def _unit(self, told: Mapping[str, str], name: str) -> Iterator[Verdict]:
        file = told.get("FragmentPath", name)
        found = re.search(r"argv\[\]=(.*?) ;", told.get("ExecStart", ""))
        problem = self._problem(shlex.split(found[1]) if found else [], file)
        if problem is not None:
            yield problem
        need_s = self._settings.fleet.grace_s + SYSTEMD_SPARE_S
        stop_s = seconds(told.get("TimeoutStopUSec", "infinity"))
        if stop_s < need_s:
            yield failed(
                f"{file} allows {stop_s:g} s to stop, fleet.grace_s asks for {need_s:g}",
                f"set TimeoutStopSec={need_s:.0f} (systemctl edit {name})",
                _LOCAL,
            )
        if not self._settings.database.dsn:
            yield warning(
                "the embedded database ends whenever the unit is stopped", "set database.dsn"
            )
        if told.get("NeedDaemonReload") == "yes":
            yield warning(f"{file} was changed", "run: systemctl daemon-reload")
        off = told.get("UnitFileState") in ("disabled", "masked") and name != WORKER_UNIT
        if off and problem is None:
            yield warning(
                f"{name} is {told['UnitFileState']}: it does not start at boot",
                f"run: systemctl enable {name}",
            )
        if problem is None and stop_s >= need_s:
            yield ok(f"{file} is {told.get('ActiveState')}, with this program and configuration")

    def _user_unit(self) -> Iterator[Verdict]:
        """A unit in somebody's home ends when he logs out, unless he lingers."""
        file = Path("~/.config/systemd/user").expanduser() / UNIT
        if not file.is_file():
            yield ok(f"{UNIT} is not installed")
            return
        told = _shown(["loginctl", "show-user", getpass.getuser(), "--property=Linger"]) or {}
        if told.get("Linger") == "yes":
            yield ok(f"{file}, and this user lingers")
        else:
            yield warning(
                f"{file} ends when {getpass.getuser()} logs out", "run: loginctl enable-linger"
            )

    def _supervisord(self) -> Iterator[Verdict]:
        programs = [one for file in self._files() for one in _programs(file)]
        if not programs:
            yield ok("has no program of ours")
            return
        yield from self._modes(programs)
        need_s = self._settings.fleet.grace_s + SUPERVISORD_SPARE_S
        for one in programs:
            words = shlex.split(one.options.get("command", ""))
            verdicts = [self._problem(words, f"{one.file}: {one.name}")]
            stop_s = _number(one.options.get("stopwaitsecs", "10"))
            if stop_s < need_s:
                verdicts.append(failed(
                    f"{one.file}: {one.name} allows {stop_s:g} s to stop, fleet.grace_s asks for"
                    f" {need_s:g}", f"set stopwaitsecs={need_s:.0f}", _LOCAL))  # fmt: skip
            if not _true(one.options.get("killasgroup", "false")):
                verdicts.append(warning(f"{one.file}: {one.name} may leave workers behind",
                                        "set killasgroup=true"))  # fmt: skip
            if _true(one.options.get("stopasgroup", "false")):
                verdicts.append(warning(
                    f"{one.file}: {one.name} is stopped with all its workers at once",
                    "set stopasgroup=false"))  # fmt: skip
            told = [verdict for verdict in verdicts if verdict is not None]
            yield from told or [ok(f"{one.file}: {one.name}, with this program and configuration")]

    def _modes(self, programs: list[Program]) -> Iterator[Verdict]:
        """What the programs are together: one fleet, or workers with their monitor."""
        verbs = {word for one in programs for word in shlex.split(one.options.get("command", ""))}
        if "run" in verbs and "worker" in verbs:
            yield failed(
                "supervisord has a fleet and single workers of ours",
                "keep noggin-mp.conf or noggin-mp-numprocs.conf, not both",
                _LOCAL,
            )
        elif "worker" in verbs and "monitor" not in verbs:
            yield failed(
                "supervisord has workers of ours and no monitor: nobody promotes retries",
                "add the program of noggin-mp-numprocs.conf",
                _LOCAL,
            )

    def _problem(self, words: list[str], where: str) -> Verdict | None:
        """What is wrong with the command line that a manager starts, if anything."""
        if not words:
            return skipped(f"{where}: its command line cannot be read")
        if not Path(words[0]).exists():
            return failed(
                f"{where} starts {words[0]}, which is not there", f"make it {program()[0]}", _LOCAL
            )
        if not _ours(words[0]):
            return warning(f"{where} starts another program, {words[0]}", f"make it {program()[0]}")
        given = next((b for a, b in itertools.pairwise(words) if a in _OPTION), None)
        if self._config is not None and given and Path(given).resolve() != self._config:
            return warning(
                f"{where} uses {given}, you looked at {self._config}", f"run doctor with -c {given}"
            )
        return None

    def _files(self) -> Iterator[Path]:
        for pattern in _SUPERVISORD_PLACES:
            yield from sorted(self._etc.glob(pattern))
        if self._config is not None:
            yield from sorted((self._config.parent.parent / "supervisord").glob("*.conf"))


_OPTION: Final = ("-c", "--config")


def program() -> list[str]:
    """The words that start this program: its console script, else Python and the package."""
    script = Path(sys.executable).with_name("noggin-mp")
    return [str(script)] if os.access(script, os.X_OK) else [sys.executable, "-m", "noggin_mp"]


def _ours(started: str) -> bool:
    """True when what a manager starts lies where this program's interpreter or script lies."""
    return Path(started).parent.resolve() == Path(program()[0]).parent.resolve()


def _unit_shown(name: str) -> dict[str, str] | None:
    """What systemd says of a unit; None where it does not run."""
    return _shown(["systemctl", "show", name, "--no-pager"])


def _wanted(told: Mapping[str, str]) -> bool:
    """Whether a unit is there and meant to run: it does, or will at boot."""
    runs = told.get("ActiveState") in ("active", "activating", "reloading")
    return told.get("LoadState") == "loaded" and (runs or told.get("UnitFileState") == "enabled")


def _shown(command: list[str]) -> dict[str, str] | None:
    """KEY=VALUE lines of a command; None when it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def _programs(file: Path) -> Iterator[Program]:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",), strict=False)
    try:
        parser.read_string(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return
    for section in parser.sections():
        options = dict(parser.items(section))
        command = options.get("command", "")
        if section.startswith("program:") and re.search(r"noggin[-_]mp\b", command):
            yield Program(name=section.removeprefix("program:"), file=file, options=options)


def seconds(span: str) -> float:
    """A time span as systemctl shows it: `1min 30s`, `infinity`. Source: systemd.time(7)."""
    if span == "infinity":
        return float("inf")
    return sum(float(number) * _SECONDS[unit] for number, unit in _SPAN.findall(span))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _true(text: str) -> bool:
    return text.strip().lower() in ("true", "yes", "on", "1", "t", "y")
