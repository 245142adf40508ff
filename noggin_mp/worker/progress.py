"""Signs of life of the job threads: which of them has gone without progress, and for how long."""

import threading
import time
from collections.abc import Callable
from typing import Final

from noggin_mp.domain.tip import Tip

_LAPSE_S: Final = 5.0
"""When nobody has asked for so long, the whole process was stopped: that is no thread's fault."""
_WORTH_TELLING_S: Final = 5.0


class Progress:
    """Stamps by TIP: set by the job threads, read by the main loop in each of its turns.

    A thread stamps whenever it looks whether its work was called off: for each slice of a read,
    each wait at the gate. What has no such slices is bounded by a time-out, or is stuck.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._stamps: dict[Tip, float] = {}
        self._asked_at = clock()

    def begun(self, tip: Tip) -> None:
        """A thread took this TIP up."""
        with self._lock:
            self._stamps[tip] = self._clock()

    def seen(self, tip: Tip) -> None:
        """The thread that works on this TIP gives a sign of life."""
        with self._lock:
            if tip in self._stamps:
                self._stamps[tip] = self._clock()

    def ended(self, tip: Tip) -> None:
        """A thread is done with this TIP."""
        with self._lock:
            self._stamps.pop(tip, None)

    def stalled_s(self) -> float:
        """How long the most silent thread has been silent; 0 while that is nothing unusual."""
        now = self._clock()
        lapsed, self._asked_at = now - self._asked_at > _LAPSE_S, now
        with self._lock:
            if lapsed:
                self._stamps = dict.fromkeys(self._stamps, now)
            silent_s = max((now - stamp for stamp in self._stamps.values()), default=0.0)
        return silent_s if silent_s >= _WORTH_TELLING_S else 0.0
