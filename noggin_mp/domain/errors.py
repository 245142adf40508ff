"""The one tree of errors: each class says who must act, its exit code and its JSON code.

An exception that is not in this tree is a bug in noggin_mp (exit code 70).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

Actor = Literal["operator", "remote", "us"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a file people write: where it is, what it is, what to do."""

    file: str
    line: int | None = None
    column: int | None = None
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{place}: {self.message}" + (f"; {self.remedy}" if self.remedy else "")


class NogginError(Exception):
    """What happened, where, and what to do, as one sentence.

    `message` says what happened and where; `remedy` says what to do (no capital, no full stop).
    """

    exit_code: ClassVar[int] = 70
    code: ClassVar[str] = "bug"
    actor: ClassVar[Actor] = "us"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class UsageError(NogginError):
    """The command line asks for something that cannot be."""

    exit_code, code, actor = 2, "usage", "operator"


class ConfigError(NogginError):
    """The configuration is wrong; `problems` holds every fault found, in file order."""

    exit_code, code, actor = 3, "config.invalid", "operator"

    def __init__(
        self, message: str, *, remedy: str = "", problems: tuple[Problem, ...] = ()
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.problems = problems


class OptionsError(ConfigError):
    """Options that are laid over the configuration are wrong; `problems` holds every fault."""

    exit_code, code, actor = 2, "usage", "operator"


class SchemaError(NogginError):
    """The database's schema does not fit this program (missing, older, newer, altered)."""

    exit_code, code, actor = 3, "database.schema", "operator"


class InputError(NogginError):
    """A file given as input cannot be used; nothing of it was taken."""

    exit_code, code, actor = 3, "input.invalid", "operator"


class CredentialsError(NogginError):
    """No token, or one that the API refuses."""

    exit_code, code, actor = 4, "credentials", "operator"


class DatabaseUnreachable(NogginError):
    """Postgres does not answer at the DSN, or refuses us."""

    exit_code, code, actor = 5, "database.unreachable", "operator"


class ApiUnreachable(NogginError):
    """The Noggin API does not answer."""

    exit_code, code, actor = 6, "api.unreachable", "remote"


class AlreadyRunning(NogginError):
    """Another supervisor, or another instance under the same host name, is at work."""

    exit_code, code, actor = 7, "already_running", "operator"


class NotRunning(NogginError):
    """No supervisor that could be asked, or it did not do what was asked of it in time."""

    exit_code, code, actor = 1, "not_running", "operator"


class LocalTrouble(NogginError):
    """Our own disk, path or port fails; never charged to a TIP."""

    exit_code, code, actor = 8, "local", "operator"


class DiskFull(LocalTrouble):
    """No space, or less than the configured floor, on a file system we write to."""

    code = "local.disk_full"


class PathUnusable(LocalTrouble):
    """A folder is missing, is no folder, or may not be written."""

    code = "local.path"


class PortInUse(LocalTrouble):
    """The address we should listen on is taken."""

    code = "local.port_in_use"


class LeaseLost(NogginError):
    """A lease ran out or was taken over: what was done under it must be discarded."""

    code, actor = "lease.lost", "us"


def packed(error: NogginError) -> dict[str, str]:
    """The error as plain data, for another process to raise."""
    return {"error": type(error).__name__, "message": error.message, "remedy": error.remedy}


def unpacked(told: Mapping[str, object], *, prefix: str = "") -> NogginError:
    """The error that `packed` made, its message behind `prefix`; a bug when there is none."""
    class_ = globals().get(str(told.get("error")))
    if not (isinstance(class_, type) and issubclass(class_, NogginError)):
        class_ = NogginError
    message = str(told.get("message") or "no reason given")
    return class_(prefix + message, remedy=str(told.get("remedy") or ""))
