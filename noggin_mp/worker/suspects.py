"""TIPs whose workers died twice are leased alone, so that only the guilty one is charged."""

from collections.abc import Callable
from typing import Final

from noggin_mp.domain import stillness
from noggin_mp.domain.tip import LeaseToken
from noggin_mp.store import queue
from noggin_mp.worker import boot

_COUNTED_S: Final = 1.0
"""So long a count of the suspects is gone by."""


class Suspects:
    """When to keep still, and for which lease; belongs to the main thread.

    `take` leases one suspect; `workers` is how many this host should have.
    """

    def __init__(
        self, parts: "boot.Parts", *, take: Callable[[], queue.Batch], workers: Callable[[], int]
    ) -> None:
        self._parts = parts
        self._take = take
        self._workers = workers
        self._token: LeaseToken | None = None
        self._waiting = 0
        self._count_at = 0.0

    def keep_still(self, now: float) -> bool:
        """True while nothing else is to be leased; takes a suspect once nothing is in hand."""
        held = self._parts.ledger
        if self._token is not None and self._token in held.tokens:
            return True
        if not self._parts.pulse.suspects:
            return False
        if held.outstanding:
            return self._is_turn(now)
        self._token = self._take().token
        if self._token is None:
            self._parts.pulse.suspects = False
        return self._token is not None

    def _is_turn(self, now: float) -> bool:
        if now >= self._count_at:
            self._count_at = now + _COUNTED_S
            with self._parts.pool.connection() as connection:
                self._waiting = queue.suspects(connection)
            self._parts.pulse.suspects = self._waiting > 0
        slot, workers = self._parts.holder.slot, self._workers()
        return stillness.keeps_still(slot=slot, workers=workers, suspects=self._waiting, now=now)
