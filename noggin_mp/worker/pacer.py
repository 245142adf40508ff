"""Pacing: the threads of a worker wait here for their turn under rates and caps.

The process reserves slots in the database, a few at a time and a moment ahead, and its threads use
them at their times by the local monotonic clock. A slot that is not used in time is lost.
"""

import bisect
import collections
import dataclasses
import math
import random as random_module
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from noggin_mp.domain import outcome, pacing, places
from noggin_mp.store import pacing as store
from noggin_mp.worker import places as worker_places

_RECHECK_S: Final = 1.0
_PATIENCE_SHARE: Final = 0.5
_LOST_S: Final = 1.0
# Whatever the row said: it may have been restored from a backup, or set anew.
_LONGEST_S: Final = 30.0
_ANSWERS: Final = 16
_COMPLAINTS: Final = frozenset({outcome.Kind.RATE_LIMITED, outcome.Kind.SERVER_ERROR})


class Pacer:
    """Gives requests their turn, fleet-wide; safe for many threads.

    `limits` and `caps` name the roles that have one; two roles of one scope share it. `waited` is
    told the scope and the seconds of each wait. Without limits and caps nothing is asked of anyone.
    """

    def __init__(
        self,
        *,
        store: store.Store | None = None,
        limits: Mapping[outcome.Role, pacing.Limit] | None = None,
        caps: Mapping[outcome.Role, places.Cap] | None = None,
        waited: Callable[[str, float], None] = lambda scope, seconds: None,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self._store = store
        self._waited = waited
        self._clock = clock
        self._random = random
        self._stocks: dict[str, _Stock] = {}
        self._places = {
            cap.scope: worker_places.Places(store=store, cap=cap, clock=clock, random=random)
            for cap in (caps or {}).values()
            if store is not None
        }
        self._caps = {role: self._places[cap.scope] for role, cap in (caps or {}).items()}
        self._turns: dict[outcome.Role, _Turn] = {}
        self.configure(limits or {})

    def configure(self, limits: Mapping[outcome.Role, pacing.Limit]) -> None:
        """Apply other rates, from the next chunk on; caps stay as they were at the start."""
        self._turns = {
            role: _Turn(
                stock=self._stock(limits[role]) if role in limits else None,
                place=self._caps.get(role),
            )
            for role in {*limits, *self._caps}
        }

    def _stock(self, limit: pacing.Limit) -> "_Stock":
        assert self._store is not None
        stock = self._stocks.get(limit.scope)
        if stock is None:
            stock = _Stock(self._store, limit, self._clock, self._random)
            self._stocks[limit.scope] = stock
        stock.apply(limit)
        return stock

    def paced(self, role: outcome.Role) -> bool:
        """True when requests of `role` have to wait for their turn."""
        return role in self._turns

    def take(
        self, role: outcome.Role, *, cancelled: Callable[[], bool], give_up_s: float
    ) -> float | None:
        """Until when a request of `role` may go, from now on, as far as pacing is concerned.

        None when `cancelled` (asked at least once a second; `wake` makes it ask at once) or when
        its turn did not come within `give_up_s`. Else `leave` must follow when the request has
        ended or was not sent.
        """
        turn = self._turns.get(role)
        if turn is None:
            return math.inf
        begun = self._clock()
        try:
            return turn.take(cancelled, begun + give_up_s)
        finally:
            self._waited(turn.scope, self._clock() - begun)

    def leave(self, role: outcome.Role) -> None:
        """The request of a turn has ended, or will not be sent."""
        turn = self._turns.get(role)
        if turn is not None and turn.place is not None:
            turn.place.leave()

    def ended(self, role: outcome.Role, kind: outcome.Kind) -> None:
        """A request of `role` ended so: an adaptive rate hears of complaints."""
        turn = self._turns.get(role)
        if kind in _COMPLAINTS and turn is not None and turn.stock is not None:
            turn.stock.complained()

    def refresh(self) -> None:
        """Renew what is leased; to be called about once a second."""
        for place in self._places.values():
            place.refresh()

    def close(self) -> None:
        """Give back what is leased, at the end of the process."""
        for place in self._places.values():
            place.close()

    def wake(self) -> None:
        """Make every waiting thread ask `cancelled` again."""
        for stock in self._stocks.values():
            stock.wake()
        for place in self._places.values():
            place.wake()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """What a request of a role has to wait for: a place first, for a slot does not keep."""

    stock: "_Stock | None"
    place: worker_places.Places | None

    @property
    def scope(self) -> str:
        if self.stock is not None:
            return self.stock.limit.scope
        assert self.place is not None
        return self.place.cap.scope

    def take(self, cancelled: Callable[[], bool], deadline: float) -> float | None:
        if self.place is not None and not self.place.enter(cancelled, deadline):
            return None
        use_by = None
        try:
            use_by = math.inf if self.stock is None else self.stock.take(cancelled, deadline)
        finally:
            if self.place is not None and use_by is None:
                self.place.leave()
        return use_by


class _Stock:
    """The slots of one scope that this process holds, on the local clock."""

    def __init__(
        self,
        store: store.Store,
        limit: pacing.Limit,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self.limit = limit
        self._store = store
        self._clock = clock
        self._random = random
        self._lock = threading.Condition()
        self._free: list[float] = []
        self._without = 0  # threads that wait and have no slot yet
        self._asking = False
        self._next_ask = -math.inf
        self._doubts: collections.deque[float] = collections.deque(maxlen=_ANSWERS)
        self._slowed_at = -math.inf

    def apply(self, limit: pacing.Limit) -> None:
        """Ask for the next chunk by this limit, at once when it is another one."""
        with self._lock:
            if limit != self.limit:
                self.limit = limit
                self._next_ask = -math.inf
                self._lock.notify_all()

    def take(self, cancelled: Callable[[], bool], deadline: float) -> float | None:
        """Until when a slot of ours may be used, once its time has come."""
        with self._lock:
            mine: float | None = None
            while True:
                now = self._clock()
                if mine is None:
                    mine = self._claim(now)
                elif now > mine + self.limit.late_s:
                    mine = None  # woken too late: it is lost
                    continue
                if cancelled() or now >= deadline or (mine is not None and mine > deadline):
                    self._give_back(mine)
                    return None
                if mine is not None and mine <= now:
                    return mine + self.limit.late_s
                self._wait(mine, now, deadline)

    def complained(self) -> None:
        """Slow an adaptive rate down; all hear the API complain, so now and then is enough."""
        with self._lock:
            now = self._clock()
            if not self.limit.adaptive or now < self._slowed_at + pacing.HOLD_S:
                return
            self._slowed_at = now
        try:
            self._store.slow(self.limit.scope)
        except store.Unreachable:
            return  # the gate goes blind; the next complaint is told

    def wake(self) -> None:
        with self._lock:
            self._lock.notify_all()

    def _claim(self, now: float) -> float | None:
        """The earliest slot that is not lost yet."""
        while self._free:
            slot = self._free.pop(0)
            if now <= slot + self.limit.late_s:
                return slot
        return None

    def _give_back(self, slot: float | None) -> None:
        if slot is not None:
            bisect.insort(self._free, slot)
            self._lock.notify_all()

    def _wait(self, mine: float | None, now: float, deadline: float) -> None:
        if mine is not None:
            self._lock.wait(min(mine, deadline, now + _RECHECK_S) - now)
            return
        self._without += 1
        try:
            if self._asking or now < self._next_ask:
                ready = now + _RECHECK_S if self._asking else self._next_ask
                self._lock.wait(max(0.001, min(ready, deadline, now + _RECHECK_S) - now))
            else:
                self._ask(self._without)
        finally:
            self._without -= 1

    def _ask(self, n: int) -> None:
        """Reserve a chunk; the lock is not held meanwhile."""
        self._asking = True
        chunk: store.Chunk | None = None
        self._lock.release()
        try:
            chunk = self._store.reserve(self.limit, n=n)
        except store.Unreachable:
            pass  # without the database there are no slots
        finally:
            self._lock.acquire()
            self._asking = False
            now = self._clock()
            if chunk is None:
                self._next_ask = now + _LOST_S * (0.5 + self._random())
            else:
                self._next_ask = now + self._took(chunk, now)
            self._lock.notify_all()

    def _took(self, chunk: store.Chunk, now: float) -> float:
        """Takes a chunk into the stock; how long not to ask again."""
        if not chunk.offsets:
            return min(chunk.wait_s, _LONGEST_S) * (1 + 0.1 * self._random())
        self._doubts.append(chunk.doubt_s)
        usual = min(self._doubts)
        beyond = chunk.doubt_s - usual
        if beyond > self.limit.slack_s - self.limit.late_s:
            return 0.0  # somewhere it was held up: nobody can say any more when these slots are
        # As with NTP: the row was read half way, and a delay may have come before or after that.
        read = now - usual / 2 - beyond / 2
        for offset in chunk.offsets:
            bisect.insort(self._free, read + offset)
        # The fleet's slots are given out so far ahead: there is time for more threads to join.
        ahead = min(chunk.offsets[0], pacing.CHUNK_S)
        return _PATIENCE_SHARE * ahead * (0.8 + 0.4 * self._random())
