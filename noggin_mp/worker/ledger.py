"""What a worker holds: its leases, how long each may be trusted, and what is left of each."""

import dataclasses
from collections.abc import Iterable

from noggin_mp.domain.tip import LeaseToken, Tip
from noggin_mp.store import queue


@dataclasses.dataclass(slots=True)
class _Held:
    open_tips: set[Tip]
    trusted_until: float


class Ledger:
    """Written by the worker's main thread only; job threads merely ask `trusted`.

    All times are local monotonic seconds: a lease is trusted from before it was asked for, so the
    database never takes it away before we stop relying on it.
    """

    def __init__(self, *, lease_s: float) -> None:
        self.lease_s = lease_s
        self._held: dict[LeaseToken, _Held] = {}

    def grant(self, batch: queue.Batch) -> None:
        """Take a new batch on."""
        if batch.token is not None:
            self._held[batch.token] = _Held({item.tip for item in batch.items}, batch.trusted_until)

    @property
    def outstanding(self) -> int:
        """How many TIPs are held and not yet settled or handed back."""
        return sum(len(held.open_tips) for held in self._held.values())

    @property
    def tokens(self) -> list[LeaseToken]:
        """Every lease held."""
        return list(self._held)

    def trusted(self, token: LeaseToken, now: float) -> bool:
        """True while a request under this lease may still be started."""
        held = self._held.get(token)
        return held is not None and now < held.trusted_until

    def renew_due(self, now: float) -> bool:
        """True once any lease has lived a third of its time."""
        return any(held.trusted_until - now < self.lease_s * 2 / 3 for held in self._held.values())

    def renewed(self, kept: Iterable[LeaseToken], *, asked: float) -> list[LeaseToken]:
        """Trust the `kept` leases anew from `asked`; forget and give the lost others."""
        alive = set(kept)
        for token in alive & self._held.keys():
            self._held[token].trusted_until = asked + self.lease_s
        lost = [token for token in self._held if token not in alive]
        for token in lost:
            del self._held[token]
        return lost

    def finished_by(self, tips: Iterable[tuple[LeaseToken, Tip]]) -> list[LeaseToken]:
        """The leases of which nothing would be left once `tips` are settled."""
        going: dict[LeaseToken, set[Tip]] = {}
        for token, tip in tips:
            going.setdefault(token, set()).add(tip)
        return [
            token
            for token, gone in going.items()
            if token in self._held and self._held[token].open_tips <= gone
        ]

    def close(self, token: LeaseToken, tip: Tip) -> None:
        """This TIP is settled or handed back; a lease without TIPs is forgotten."""
        held = self._held.get(token)
        if held is not None:
            held.open_tips.discard(tip)
            if not held.open_tips:
                del self._held[token]

    def forget(self, token: LeaseToken) -> None:
        """The lease is lost or handed back whole."""
        self._held.pop(token, None)
