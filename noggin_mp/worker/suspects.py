"""TIPs whose workers died twice are leased alone, so that only the guilty one is charged."""

from collections.abc import Callable
from typing import Final

from noggin_mp.domain.tip import LeaseToken
from noggin_mp.store import queue
from noggin_mp.worker import ledger
from noggin_mp.worker import pulse as pulses

_STILL_S: Final = 10.0
"""So long a worker waits for what it has in hand to end; then it works on, and tries again."""


class Suspects:
    """When to keep still, and for which lease; belongs to the main thread.

    `take` leases one suspect; `held` is what the worker has in hand.
    """

    def __init__(
        self, *, pulse: pulses.Pulse, held: ledger.Ledger, take: Callable[[], queue.Batch]
    ) -> None:
        self._pulse = pulse
        self._held = held
        self._take = take
        self._token: LeaseToken | None = None
        self._still_until = 0.0
        self._next_try = 0.0

    def keep_still(self, now: float) -> bool:
        """True while nothing else is to be leased; takes a suspect once nothing is in hand."""
        if self._token is not None and self._token in self._held.tokens:
            return True
        if not self._pulse.suspects:
            return False
        if now >= self._next_try:
            self._still_until = now + _STILL_S
            self._next_try = now + 2 * _STILL_S
        if now >= self._still_until or self._held.outstanding:
            return now < self._still_until
        self._token = self._take().token
        if self._token is None:
            self._pulse.suspects = False
            self._next_try = 0.0
        return self._token is not None
