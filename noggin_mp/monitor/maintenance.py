"""The leader's chores: promote, reap, reconcile, publish the head; and each host's own orphans.

One dedicated session holds the leader's lock: losing the session loses the leadership, at once.
"""

import contextlib
import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from noggin_mp.monitor import hosts
from noggin_mp.observe import logs, metrics
from noggin_mp.store import checkup, fleet, history, queue, requests, session, trouble

_TURN_S: Final = 0.5
_IDLE_TURN_S: Final = 1.0
"""While no retry is due that soon: one that is planned meanwhile may be late by so much."""
_FOLLOWING_TURN_S: Final = 1.0
"""Of a monitor that does not lead: a lead that is free is taken so soon."""
_REAP_S: Final = 2.0
_HEAD_S: Final = 3.0
_CURSOR_S: Final = 5.0
_RECONCILE_S: Final = 60.0
_ORPHANS_S: Final = 2.0
_PRUNE_S: Final = 3600.0
_HOSTS_S: Final = 4.0
_LEAST_WAIT_S: Final = 0.05
_FROZEN_S: Final = 10.0
"""A leader that says nothing for so long is frozen, and loses its session and the lead."""

log = logs.get("maintenance")


class Every:
    """A chore's clock: due at once, then every so many seconds, by monotonic time."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self._due = 0.0

    def due(self) -> bool:
        """True when the time has come; the next turn is then set."""
        now = time.monotonic()
        if now < self._due:
            return False
        self._due = now + self.every_s
        return True

    def hurry(self) -> None:
        """The next turn is due at once: there is more to do."""
        self._due = 0.0


class Maintenance:
    """Runs in one thread of the monitor until `stopping` says so."""

    def __init__(
        self,
        *,
        connect: Callable[[str], session.Connection],
        holder: queue.Holder,
        max_attempts: int,
        backoff_s: float,
        meters: metrics.Metrics,
        stopping: Callable[[], bool],
        wait: Callable[[float], bool],
    ) -> None:
        self._connect = connect
        self._holder = holder
        self._max_attempts = max_attempts
        self._backoff_s = backoff_s
        self._meters = meters
        self._stopping = stopping
        self._wait = wait
        self.leading = False
        self._after = queue.BEFORE_ALL
        self._wait_s = _TURN_S
        self._reap = Every(_REAP_S)
        self._head = Every(_HEAD_S)
        self._rewind = Every(_CURSOR_S)
        self._reconcile = Every(_RECONCILE_S)
        self._orphans = Every(_ORPHANS_S)
        self._history = Every(_PRUNE_S)
        self._hosts = Every(_HOSTS_S)
        self._watch = hosts.Watch()

    def configure(self, *, max_attempts: int, backoff_s: float) -> None:
        """Another retry policy for the TIPs of leases that ran out."""
        self._max_attempts, self._backoff_s = max_attempts, backoff_s

    def run(self) -> None:
        """Do the chores until stopped; a lost database is told once, and waited for with jitter."""
        lost = False
        while not self._stopping():
            try:
                with contextlib.closing(self._connect("maintenance")) as connection:
                    checkup.refuse_read_only(connection)  # a standby, in a failover
                    fleet.end_when_idle(connection, seconds=_FROZEN_S)
                    while not self._stopping():
                        self._turn(connection)
                        lost = False
                        self._wait(self._wait_s)
            except trouble.AWAY as error:
                note, lost = (log.debug if lost else log.warning), True
                note("maintenance_lost_database", error=str(error).splitlines()[0])
                self._led(False)
                self._wait(random.uniform(0.5, 2.0))  # noqa: S311 - jitter, not a secret
        self._led(False)

    def _turn(self, connection: session.Connection) -> None:
        if self._orphans.due():
            self._return_orphans(connection)
        # Asked anew each turn: what is done as a leader is done while nobody else can be one.
        self._led(fleet.leads(connection) if self.leading else fleet.lead(connection))
        self._wait_s = _FOLLOWING_TURN_S
        if self.leading:
            self._lead(connection)

    def _led(self, leading: bool) -> None:
        if leading != self.leading:
            log.info("leadership_taken" if leading else "leadership_lost")
        self.leading = leading
        self._meters.leader(leading)

    def _lead(self, connection: session.Connection) -> None:
        self._promote(connection)
        if self._hosts.due():
            fleet.show_leader(connection, host=self._holder.host)
            self._watch.look(fleet.states(connection))
        if self._reap.due():
            self._report(
                "leases_reaped",
                queue.reap(connection, max_attempts=self._max_attempts, backoff_s=self._backoff_s),
            )
        if self._head.due():
            queue.publish_head(connection)
        if self._reconcile.due():
            started = time.monotonic()
            found = queue.reconcile(connection)
            # On a very deep queue the walk itself is work: never spend more than a twentieth on it.
            self._reconcile.every_s = max(_RECONCILE_S, 20 * (time.monotonic() - started))
            if found:
                log.warning("lost_entries_filed_again", tips=found)
        if self._history.due():
            self._prune(connection)

    def _prune(self, connection: session.Connection) -> None:
        """Drop a batch of the breaker's oldest history; the next turn goes on where it is full."""
        pruned = history.prune(connection)
        requests.prune(connection)
        if pruned.events or pruned.minutes:
            log.info("breaker_history_pruned", events=pruned.events, minutes=pruned.minutes)
        if history.PRUNE_LIMIT in (pruned.events, pruned.minutes):
            self._history.hurry()

    def _promote(self, connection: session.Connection) -> None:
        """Move what is due; learn when the next retry is, so as to wake in time for it."""
        if self._rewind.due():
            self._after = queue.BEFORE_ALL
        while True:
            moved = queue.promote(connection, after=self._after)
            self._after = moved.cursor
            if moved.taken < queue.PROMOTE_LIMIT or self._stopping():
                break
        due_in_s = math.inf if moved.next_in_s is None else moved.next_in_s
        turn_s = _TURN_S if moved.taken or due_in_s <= _IDLE_TURN_S else _IDLE_TURN_S
        self._wait_s = min(turn_s, max(_LEAST_WAIT_S, due_in_s))

    def _return_orphans(self, connection: session.Connection) -> None:
        """Give back what dead tenants of this host's slots hold, when no successor came to."""
        for slot, pid in fleet.slots_with_leases(
            connection, host=self._holder.host, instance=self._holder.instance
        ):
            if pid is not None and Path(f"/proc/{pid}").exists():
                continue
            orphan = queue.Holder(
                host=self._holder.host, slot=slot, instance=self._holder.instance, boot=-1
            )
            with fleet.slot_lock(connection, holder=orphan) as claimed:
                if claimed:
                    self._report(
                        "orphaned_leases_returned",
                        queue.adopt(
                            connection,
                            holder=orphan,
                            max_attempts=self._max_attempts,
                            backoff_s=self._backoff_s,
                        ),
                        slot=slot,
                    )

    def _report(self, event: str, returned: queue.Returned, **fields: object) -> None:
        if returned.leases:
            self._meters.leases_reaped(returned.leases)
            log.warning(
                event,
                leases=returned.leases,
                tips=returned.tips,
                charged=returned.charged,
                **fields,
            )
