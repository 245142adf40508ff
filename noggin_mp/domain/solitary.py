"""The breaker of one process alone: in quarantine, and while the database does not answer."""

import math

from noggin_mp.domain import breaker


class Solitary:
    """Consecutive failures of one role in one process; obeyed only once it has been opened.

    It opens in quarantine (the fleet found that this worker fails alone) and, at fail_max, when
    failures cannot be told to the fleet. After its time one request is let through as a trial.
    """

    def __init__(self) -> None:
        self.until = -math.inf
        self.streak = 0
        self._opens = 0
        self._trial = False

    @property
    def open(self) -> bool:
        """True until a trial has succeeded."""
        return self._opens > 0

    def failed(self, policy: breaker.Policy, *, now: float, random: float, alone: bool) -> None:
        """Count a failure; `alone` says that the fleet cannot be told of it."""
        self.streak += 1
        if alone and not self.open and self.streak >= policy.fail_max:
            self.confine(policy, now=now, random=random)

    def confine(self, policy: breaker.Policy, *, now: float, random: float) -> None:
        """Let nothing through for a while, longer each time."""
        self._opens += 1
        self._trial = False
        self.until = now + breaker.open_seconds(policy, self._opens, random)

    def succeeded(self) -> None:
        """Forget everything: the way is free."""
        self.until, self.streak, self._opens, self._trial = -math.inf, 0, 0, False

    def held_until(self, now: float) -> float | None:
        """When to ask again, None when a request may go (as the trial, if still open)."""
        if not self.open:
            return None
        if self._trial:
            return math.inf
        return self.until if self.until > now else None

    def begin_trial(self) -> None:
        """One request goes out as the trial."""
        self._trial = True

    def end_trial(self) -> None:
        """The trial taught nothing; the next request may be another."""
        self._trial = False
