"""How and why a fleet ends: the exit code, the reason, the deadline, and repeated Ctrl-C."""

from dataclasses import dataclass
from enum import StrEnum

from noggin_mp.domain import errors

EXIT_INTERRUPTED = 130
THIRD_INTERRUPT_S = 2.0


class Haste(StrEnum):
    """What an interrupt asks for."""

    DRAIN = "drain"
    ABORT = "abort"
    KILL = "kill"


@dataclass(slots=True, kw_only=True)
class Ending:
    """The end of a fleet, from its first announcement; all times are monotonic seconds."""

    exit_code: int = 0
    reason: str = ""
    error: errors.NogginError | None = None
    deadline: float | None = None
    _interrupts: int = 0
    _aborted_at: float | None = None

    def begin(self, *, exit_code: int, reason: str, deadline: float) -> None:
        """Account for the first call to end."""
        self.exit_code, self.reason, self.deadline = exit_code, reason, deadline

    def hurry(self, *, latest: float) -> float:
        """The deadline of an abort: `latest`, or an earlier one there was."""
        self.exit_code = EXIT_INTERRUPTED
        self.deadline = latest if self.deadline is None else min(self.deadline, latest)
        return self.deadline

    def interrupted(self, *, now: float) -> Haste:
        """Account for Ctrl-C: the first drains, the second aborts, a third soon after it kills."""
        self._interrupts += 1
        if self._interrupts == 1:
            return Haste.DRAIN
        since, self._aborted_at = self._aborted_at, now
        if since is not None and now - since <= THIRD_INTERRUPT_S:
            return Haste.KILL
        return Haste.ABORT
