"""A worker's life: lease, hand to threads, gather, settle, renew; drain when told."""

import functools
import queue as queues
import random
import time
from typing import Final

from noggin_mp.domain import errors, outcome
from noggin_mp.domain.child import ChildContext
from noggin_mp.observe import logs
from noggin_mp.store import queue, trouble
from noggin_mp.worker import boot, job, live, rest, storage, suspects, threads

_RESCAN_S: Final = 3.0
_ASTRAY_S: Final = 10.0

log = logs.get("worker")


def main(context: ChildContext) -> int:
    """The entry of a worker process: 0 after a drain. Raises: NogginError from the boot."""
    with boot.started(context) as parts:
        return Worker(context, parts).run()


class Worker:
    """The main loop. Only it touches the ledger; a job thread carries a TIP to its files."""

    def __init__(
        self, context: ChildContext, parts: boot.Parts, *, only: queue.Batch | None = None
    ) -> None:
        self._context = context
        self._parts = parts
        self._settings = parts.settings
        self._ledger = parts.ledger
        self._pulse = parts.pulse
        self._jobs: queues.SimpleQueue[queue.Leased | None] = queues.SimpleQueue()
        self._inbox = parts.inbox
        self._buffer = parts.buffer
        self._cursor = queue.Cursor()
        self._alone = queue.Cursor([queue.SUSPECTS])
        self._threads = threads.Threads(self._jobs, self._carry)
        self._unfinished = self._tips = 0
        self._next_look = 0.0
        self._next_rescan = 0.0
        self._astray_until = 0.0
        self._suspects = suspects.Suspects(
            parts,
            take=lambda: self._take(self._alone, 1),
            workers=lambda: self._settings.fleet.workers,
        )
        self._storage = storage.Storage(
            self._settings.paths.output,
            floor_bytes=self._settings.attachments.min_free_bytes,
            tell=self._tell_trouble,
        )
        self._refused = self._told = False
        self._left = int(str(context.options["limit"])) if context.options.get("limit") else None
        self._stop_at: float | None = None
        if only is not None:  # this batch and nothing else
            self._left = 0
            self._grant(only)

    def run(self) -> int:
        """Work until told to stop, then drain. Gives the exit code."""
        rest.watch_orders(self._context, self._inbox)
        self._threads.resize(self._settings.fleet.threads)
        try:
            while not self._over():
                self._turn()
        finally:
            self._threads.close()
        return 0

    def _turn(self) -> None:
        now = time.monotonic()
        stalled_s = self._pulse.progress.stalled_s()
        self._context.beat(self._ledger.outstanding, tips=self._tips, stalled_s=stalled_s)
        self._pulse.check()
        self._obey_orders()
        self._notice_stop(now)
        self._notice_auth_stop()
        try:
            if self._stop_at is None:
                self._parts.examiner.look()
                self._lease(now)
            if self._ledger.renew_due(now):
                self._renew()
            self._gather()
            self._buffer.flush(force=self._stop_at is not None)
        except trouble.AWAY as error:
            log.warning("database_lost", error=str(error).splitlines()[0])
            self._astray_until = time.monotonic() + _ASTRAY_S
            self._context.wait(random.uniform(0.2, 1.0))  # noqa: S311 - jitter, not a secret

    def _obey_orders(self) -> None:
        """Go by other settings from the next job on."""
        for version, fresh in live.taken_over(self._context, self._parts):
            self._settings = fresh
            self._storage.floor_bytes = fresh.attachments.min_free_bytes
            self._threads.resize(fresh.fleet.threads)
            self._next_look = 0.0
            self._context.tell("applied", {"version": version})

    # -- stopping ---------------------------------------------------------------------------------

    def _notice_stop(self, now: float) -> None:
        if self._stop_at is not None or not (self._context.stopping() or self._done_enough()):
            return
        self._stop_at = now
        log.info("drain_started", outstanding=self._ledger.outstanding)
        self._return_unstarted("draining")
        self._parts.gate.wake()

    def _over(self) -> bool:
        if self._stop_at is None:
            return False
        if self._context.aborting():
            self._return_everything()
            return True
        return self._ledger.outstanding == 0 and self._buffer.empty

    def _done_enough(self) -> bool:
        return self._left is not None and self._left <= 0 and self._ledger.outstanding == 0

    def _return_unstarted(self, reason: str) -> None:
        """Hand back what no thread has taken up yet."""
        unstarted: list[queue.Leased] = []
        while True:
            try:
                item = self._jobs.get_nowait()
            except queues.Empty:
                break
            if item is not None:
                unstarted.append(item)
        self._unfinished -= len(unstarted)
        self._buffer.add_all([job.HandBack(item=item, reason=reason) for item in unstarted])

    def _return_everything(self) -> None:
        """Abort: give every lease back uncharged; what threads still do will be fenced off."""
        try:
            self._buffer.flush(force=True)
            with self._parts.pool.connection(timeout=2) as connection:
                for token in self._ledger.tokens:
                    queue.release(connection, token=token)
                    self._ledger.forget(token)
        except trouble.AWAY as error:  # the slot's next tenant returns what is left
            log.warning("leases_left_behind", error=str(error).splitlines()[0])

    def _cancelled(self, item: queue.Leased) -> bool:
        """Must a job stop: its lease is no longer trusted, or the drain's time is nearly up?"""
        now = time.monotonic()
        self._pulse.progress.seen(item.tip)
        if self._context.aborting() or not self._ledger.trusted(item.token, now):
            return True
        if self._stop_at is None:
            return False
        soft_s = self._settings.fleet.grace_s * 0.6
        return now - self._stop_at > soft_s or self._parts.gate.why(outcome.Role.API) is not None

    # -- leasing ----------------------------------------------------------------------------------

    def _lease(self, now: float) -> None:
        held = self._ledger.outstanding
        if now >= self._next_rescan:
            self._next_rescan = now + _RESCAN_S * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            self._rewind()
            if now < self._astray_until:
                self._return_astray()
        if self._pulse.woken():
            self._rewind()
            self._next_look = now
        if now < self._next_look or not self._may_lease(now):
            return
        if self._suspects.keep_still(now):
            return
        wanted = self._settings.fleet.threads
        # Counted without results that merely wait to be settled, so that no thread runs dry.
        if self._unfinished > wanted:
            return
        room = min(self._settings.queue.batch, 2 * wanted - self._unfinished)
        if self._left is not None:
            room = min(room, self._left - held)
        if self._parts.gate.probe_due(outcome.Role.API):
            room = 1
        batch = self._take(self._cursor, room)
        if batch.taken < room:
            self._next_look = now + self._settings.queue.poll_s * random.uniform(0.5, 1.5)  # noqa: S311 - jitter

    def _return_astray(self) -> None:
        """Hand back leases that were granted to us by an answer that we never received."""
        with self._parts.pool.connection() as connection:
            for token in queue.held(connection, holder=self._parts.holder):
                if token not in self._ledger.tokens:
                    tips = queue.release(connection, token=token)
                    log.warning("astray_lease_returned", tips=tips)

    def _rewind(self) -> None:
        self._cursor.reset(self._pulse.head)
        self._alone.reset(self._pulse.head)

    def _may_lease(self, now: float) -> bool:
        gate = self._parts.gate
        if not self._context.leasing() or gate.open_for(outcome.Role.API) > 0:
            return False
        if self._ledger.outstanding and gate.probe_due(outcome.Role.API):
            return False  # one of those in hand will be the probe
        if self._left is not None and self._left <= self._ledger.outstanding:
            return False
        usable = self._storage.usable(now=now)
        self._pulse.blocked = self._storage.in_trouble
        return usable

    def _notice_auth_stop(self) -> None:
        """A run that should end by itself cannot wait for a person with a new token.

        Told before results are settled, so that the monitor cannot find the queue drained first.
        """
        if self._told or not self._context.until_drained:
            return
        if self._refused or self._parts.gate.why(outcome.Role.API) == "auth_stop":
            self._told = True
            self._context.tell("auth_stop", {})

    def _tell_trouble(self, found: errors.LocalTrouble) -> None:
        """Our disk or folder fails: a run that should end by itself cannot wait for a person."""
        ours = isinstance(found, errors.DiskFull | errors.PathUnusable)
        if ours and self._context.until_drained:
            self._context.tell("local_trouble", errors.packed(found))

    def _take(self, cursor: queue.Cursor, k: int) -> queue.Batch:
        with self._parts.pool.connection() as connection:
            batch = queue.lease(
                connection,
                holder=self._parts.holder,
                cursor=cursor,
                k=k,
                lease_s=self._settings.queue.lease_s,
            )
        self._grant(batch)
        return batch

    def _grant(self, batch: queue.Batch) -> None:
        self._ledger.grant(batch)
        self._unfinished += len(batch.items)
        for item in batch.items:
            self._jobs.put(item)

    def _renew(self) -> None:
        asked = time.monotonic()
        tokens = self._ledger.tokens
        with self._parts.pool.connection() as connection:
            kept = queue.renew(connection, tokens=tokens, lease_s=self._settings.queue.lease_s)
        lost = self._ledger.renewed(kept, asked=asked)
        self._parts.meters.lease_renewed(len(kept))
        if lost:
            self._parts.meters.lease_lost(len(lost))
            log.warning("leases_lost", tokens=lost)

    # -- results ----------------------------------------------------------------------------------

    def _gather(self) -> None:
        """Wait a moment for results, wake-ups or the stop; then take all that is there."""
        try:
            draining = self._stop_at is not None
            patience_s = rest.patience_s(self._parts, self._settings, draining=draining)
            found = self._inbox.get(timeout=patience_s)
        except queues.Empty:
            return
        while True:
            if found is not None:
                self._took(found)
            try:
                found = self._inbox.get_nowait()
            except queues.Empty:
                return

    def _took(self, result: job.Result) -> None:
        self._unfinished -= 1
        self._tips += isinstance(result, job.Done)
        if isinstance(result, job.HandBack):
            self._refused = self._refused or result.reason == "auth_stop"
            if result.trouble is not None:
                self._storage.failed(result.trouble, now=time.monotonic())
                self._return_unstarted(result.reason)
        elif self._left is not None:
            self._left -= 1
        self._buffer.add_all([result])

    def _carry(self, item: queue.Leased) -> None:
        """A job thread's part: one TIP to its result."""
        self._pulse.started(item.tip)
        try:
            result = self._parts.carrier.run(
                item, cancelled=functools.partial(self._cancelled, item)
            )
        finally:
            self._pulse.ended(item.tip)
        self._inbox.put(result)
