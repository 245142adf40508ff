"""Outcomes of one role in one process that the database has not been told of yet."""

import math

from noggin_mp.store import breaker as store


class Tally:
    """Successes of one epoch, not told yet. A newer epoch's begin anew: an outage lies between.

    `streak` is True while a reported streak may stand in the database. It starts True: a
    predecessor in this slot may have died in the middle of one.
    """

    def __init__(self) -> None:
        self.epoch = 0
        self.ok = 0
        self.slow = 0
        self.streak = True
        self.failed_at = -math.inf
        self._ok_begun: float | None = None

    def add(self, begun: float, *, slow: bool, epoch: int) -> None:
        """Count a success that was admitted under `epoch`."""
        if epoch != self.epoch:
            self.take(begun)
            self.epoch = epoch
        self.ok += 1
        self.slow += slow
        self._ok_begun = begun if self._ok_begun is None else max(self._ok_begun, begun)

    def fail(self, now: float, *, slow: bool, epoch: int) -> store.Tally:
        """What to tell together with a failure that was admitted under `epoch`."""
        self.streak, self.failed_at = True, now
        if epoch != self.epoch:
            return store.Tally(failed=1, slow=int(slow))
        self.slow += slow
        return self.take(now, failed=1)

    def take(self, now: float, *, failed: int = 0) -> store.Tally:
        """What is not told yet, which now counts as told."""
        age = None if self._ok_begun is None else max(0.0, now - self._ok_begun)
        counts = store.Tally(ok=self.ok, failed=failed, slow=self.slow, ok_age_s=age)
        self.ok = self.slow = 0
        self._ok_begun = None
        return counts
