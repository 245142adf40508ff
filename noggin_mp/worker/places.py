"""A worker's share of the requests that may be in flight in the whole fleet."""

import math
import random as random_module
import threading
import time
from collections.abc import Callable
from typing import Final

from noggin_mp.domain import places
from noggin_mp.store import pacing as store

_RECHECK_S: Final = 1.0
_AGAIN_S: Final = 0.25
_REFRESH_S: Final = 0.7
# What is trusted ends before what the database grants: an answer travels.
_TRUST_S: Final = places.TTL_S - 10.0


class Places:
    """The requests of one scope that this process has in flight; safe for many threads.

    Invariant: the row holds at least as many places as are taken here, as long as it is renewed.
    """

    def __init__(
        self,
        *,
        store: store.Store,
        cap: places.Cap,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self.cap = cap
        self._store = store
        self._clock = clock
        self._random = random
        self._lock = threading.Condition()
        self._taken = 0
        self._waiting = 0
        self._peak = 0  # the most that was wanted at once since the last question
        self._allowed = 0
        self._held = 0  # what the row says at least
        self._trusted_until = -math.inf
        self._asking = False
        self._asked_at = -math.inf
        self._next_ask = -math.inf

    def enter(self, cancelled: Callable[[], bool], deadline: float) -> bool:
        """True once a place is ours, False when called off before."""
        with self._lock:
            self._waiting += 1
            try:
                while True:
                    self._peak = max(self._peak, self._taken + self._waiting)
                    now = self._clock()
                    if cancelled() or now >= deadline:
                        return False
                    if self._free(now):
                        self._taken += 1
                        return True
                    if not self._asking and now >= self._next_ask:
                        self._ask()
                        continue
                    ready = now + _RECHECK_S if self._asking else self._next_ask
                    self._lock.wait(max(0.001, min(ready, deadline, now + _RECHECK_S) - now))
            finally:
                self._waiting -= 1

    def leave(self) -> None:
        """A request has ended; a place that others wait for is given back at once."""
        with self._lock:
            self._taken -= 1
            self._lock.notify_all()
            if self._held > max(self._allowed, self._taken) and not self._asking:
                self._ask()

    def refresh(self) -> None:
        """Renew the share, and give back what is not wanted any more; once a second will do."""
        with self._lock:
            idle = not (self._held or self._waiting)
            if idle or self._asking or self._clock() < self._asked_at + _REFRESH_S:
                return
            self._ask()

    def close(self) -> None:
        """Give everything back, at the end of the process."""
        with self._lock:
            if self._held and not self._asking:
                self._taken = self._peak = 0
                self._ask()

    def wake(self) -> None:
        """Make every waiting thread ask `cancelled` again."""
        with self._lock:
            self._lock.notify_all()

    def _free(self, now: float) -> bool:
        # Not while a question is under way: its answer counts what was taken when it was asked.
        return not self._asking and self._taken < self._allowed and now < self._trusted_until

    def _ask(self) -> None:
        """Renew the share; the lock is not held meanwhile, and nobody enters."""
        self._asking, self._asked_at = True, self._clock()
        taken, wanted = self._taken, max(self._peak, self._taken + self._waiting)
        allowed: int | None = None
        self._lock.release()
        try:
            allowed = self._store.share(self.cap, in_flight=taken, wanted=wanted)
        except store.Unreachable:
            pass  # the row may say anything now: enter nothing before it has answered
        finally:
            self._lock.acquire()
            self._asking = False
            self._peak = self._taken + self._waiting
            self._allowed = allowed or 0
            self._held = max(taken, self._allowed) if allowed is not None else max(self._held, 1)
            self._trusted_until = self._asked_at + _TRUST_S
            self._next_ask = self._clock() + _AGAIN_S * (0.8 + 0.4 * self._random())
            self._lock.notify_all()
