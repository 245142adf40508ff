"""What a check of the surroundings found, and running such checks so that none stops the others."""

import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from noggin_mp.domain import errors, redaction

LIMIT_S: Final = 5.0
"""No check may take longer; what hangs is left behind in its thread."""
_BUG: Final = errors.NogginError.exit_code


class State(StrEnum):
    """How a check ended; the values are what people and JSON see."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor: which check, how it ended, what was found, what to do about it.

    `exit_code` is what a failed one makes the command end with.
    """

    check: str
    state: State
    found: str
    remedy: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check says; its name is put to it by whoever runs it."""

    state: State
    found: str
    remedy: str = ""
    exit_code: int = 0


def ok(found: str) -> Verdict:
    """All is well."""
    return Verdict(state=State.OK, found=found)


def warning(found: str, remedy: str) -> Verdict:
    """It works, and deserves a look."""
    return Verdict(state=State.WARNING, found=found, remedy=remedy)


def skipped(why: str) -> Verdict:
    """It could not be tried, or was not asked for."""
    return Verdict(state=State.SKIPPED, found=why)


def failed(found: str, remedy: str, code: int) -> Verdict:
    """The fleet cannot work like this."""
    return Verdict(state=State.FAILED, found=found, remedy=remedy, exit_code=code)


Look = Callable[[], Iterable[Verdict]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A name and how to look; `late_code` is the exit code when the look takes too long."""

    name: str
    look: Look
    late_code: int = 8


def run(check: Check, *, limit_s: float = LIMIT_S) -> Iterator[Finding]:
    """What `check` found within `limit_s`; whatever it raises is a finding too."""
    verdicts: list[Verdict] = []

    def look() -> None:
        try:
            verdicts.extend(check.look())
        except errors.NogginError as error:
            verdicts.append(failed(error.message, error.remedy, error.exit_code))
        except Exception as error:
            said = " ".join(redaction.scrub(f"{type(error).__name__}: {error}").split())[:300]
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{place.filename.rpartition('/')[2]}:{place.lineno}"
            verdicts.append(
                failed(f"the check itself broke at {where}: {said}", "report it as a bug", _BUG)
            )

    thread = threading.Thread(target=look, name=f"doctor-{check.name}", daemon=True)
    thread.start()
    thread.join(limit_s)
    told = list(verdicts)
    if thread.is_alive():
        told.append(
            failed(f"no answer within {limit_s:g} s", "find out what hangs there", check.late_code)
        )
    for one in told:
        yield Finding(
            check=check.name,
            state=one.state,
            found=one.found,
            remedy=one.remedy,
            exit_code=one.exit_code,
        )
