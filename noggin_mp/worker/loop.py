"""A worker's life: lease, hand to threads, gather, settle, renew; drain when told."""

import functools
import queue as queues
import random
import threading
import time
from collections.abc import Callable
from typing import Final

from noggin_mp.domain import errors, outcome
from noggin_mp.domain.child import ChildContext
from noggin_mp.domain.tip import LeaseToken, Tip
from noggin_mp.gateway import files
from noggin_mp.observe import logs
from noggin_mp.store import queue, trouble
from noggin_mp.worker import boot, job

_TICK_S: Final = 0.2
_RESCAN_S: Final = 3.0
_SUSPECTS_S: Final = 10.0
_TROUBLE_PAUSE_S: Final = 5.0

log = logs.get("worker")


def main(context: ChildContext) -> int:
    """The entry of a worker process: 0 after a drain. Raises: NogginError from the boot."""
    with boot.started(context) as parts:
        return Worker(context, parts).run()


def one(tip: Tip) -> Callable[[ChildContext], int]:
    """An entry that works on one TIP, whatever its place in the queue, and ends.

    Its exit code is 0 when the TIP came through, 1 when it did not, 4 when the token is refused.
    Raises: InputError when there is no such TIP; AlreadyRunning when another worker has it.
    """

    def entry(context: ChildContext) -> int:
        with boot.started(context) as parts:
            with parts.pool.connection() as connection:
                batch = queue.lease_one(
                    connection,
                    holder=parts.holder,
                    tip=tip,
                    lease_s=parts.settings.queue.lease_s,
                )
            if batch is None:
                raise errors.InputError(
                    f"there is no TIP {tip}", remedy="import it first: noggin-mp import FILE"
                )
            if not batch.items:
                raise errors.AlreadyRunning(
                    f"another worker has the TIP {tip} just now", remedy="try again in a moment"
                )
            Worker(context, parts, only=batch).run()
            if parts.gate.why(outcome.Role.API) == "auth_stop":
                return errors.CredentialsError.exit_code
            with parts.pool.connection() as connection:
                return 0 if queue.came_through(connection, tip=tip) else 1

    return entry


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
        self._threads: list[threading.Thread] = []
        self._unfinished = 0
        self._next_look = 0.0
        self._next_rescan = 0.0
        self._quiet_until = 0.0
        self._next_quiet = 0.0
        self._suspect: LeaseToken | None = None
        self._blocked_until = 0.0
        self._refused = self._told = False
        self._left = int(str(context.options["limit"])) if context.options.get("limit") else None
        self._stop_at: float | None = None
        if only is not None:  # this batch and nothing else
            self._left = 0
            self._grant(only)

    def run(self) -> int:
        """Work until told to stop, then drain. Gives the exit code."""
        self._start_threads()
        try:
            while not self._over():
                self._turn()
        finally:
            for _ in self._threads:
                self._jobs.put(None)
        return 0

    def _turn(self) -> None:
        now = time.monotonic()
        self._context.beat(self._ledger.outstanding)
        self._pulse.check()
        self._notice_stop(now)
        self._notice_auth_stop()
        try:
            if self._stop_at is None:
                self._lease(now)
            if self._ledger.renew_due(now):
                self._renew()
            self._gather()
            self._buffer.flush(force=self._stop_at is not None)
        except trouble.AWAY as error:
            log.warning("database_lost", error=str(error).splitlines()[0])
            self._context.wait(random.uniform(0.2, 1.0))  # noqa: S311 - jitter, not a secret

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
        if self._pulse.woken():
            self._rewind()
            self._next_look = now
        if now < self._next_look or not self._may_lease(now):
            return
        if self._lease_suspect(now, held):
            return
        threads = self._settings.fleet.threads
        # Counted without results that merely wait to be settled, so that no thread runs dry.
        if self._unfinished > threads or now < self._quiet_until:
            return
        room = min(self._settings.queue.batch, 2 * threads - self._unfinished)
        if self._left is not None:
            room = min(room, self._left - held)
        if self._parts.gate.probe_due(outcome.Role.API):
            room = 1
        batch = self._take(self._cursor, room)
        if batch.taken < room:
            self._next_look = now + self._settings.queue.poll_s * random.uniform(0.5, 1.5)  # noqa: S311 - jitter

    def _rewind(self) -> None:
        self._cursor.reset(self._pulse.head)
        self._alone.reset(self._pulse.head)

    def _may_lease(self, now: float) -> bool:
        gate = self._parts.gate
        if now < self._blocked_until or gate.open_for(outcome.Role.API) > 0:
            return False
        if self._ledger.outstanding and gate.probe_due(outcome.Role.API):
            return False  # one of those in hand will be the probe
        if self._left is not None and self._left <= self._ledger.outstanding:
            return False
        try:
            files.require_space(
                self._settings.paths.output, self._settings.attachments.min_free_bytes
            )
        except errors.LocalTrouble as trouble:
            self._block(trouble, now)
            return False
        if self._blocked_until:
            self._blocked_until = 0.0
            log.info("local_trouble_over")
        return True

    def _notice_auth_stop(self) -> None:
        """A run that should end by itself cannot wait for a person with a new token.

        Told before results are settled, so that the monitor cannot find the queue drained first.
        """
        if self._told or not self._context.until_drained:
            return
        if self._refused or self._parts.gate.why(outcome.Role.API) == "auth_stop":
            self._told = True
            self._context.tell("auth_stop", {})

    def _block(self, trouble: errors.LocalTrouble, now: float) -> None:
        """Our own disk or folder fails: lease nothing for a while; told once until it is over."""
        if not self._blocked_until:
            log.error("local_trouble", error=str(trouble), code=trouble.code)
        self._blocked_until = now + _TROUBLE_PAUSE_S
        self._next_look = self._blocked_until

    def _lease_suspect(self, now: float, held: int) -> bool:
        """Take one TIP whose workers died twice; True while the worker keeps still for it."""
        if self._suspect is not None and self._suspect in self._ledger.tokens:
            return True
        if not self._pulse.suspects:
            return False
        if now >= self._next_quiet:
            self._quiet_until = now + _SUSPECTS_S
            self._next_quiet = now + 2 * _SUSPECTS_S
        if now >= self._quiet_until or held:
            return now < self._quiet_until
        self._suspect = self._take(self._alone, 1).token
        if self._suspect is None:
            self._pulse.suspects = False
            self._quiet_until = 0.0
            return False
        return True

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
            found = self._inbox.get(timeout=min(_TICK_S, self._buffer.due_in_s()))
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
        if isinstance(result, job.HandBack):
            self._refused = self._refused or result.reason == "auth_stop"
            if result.trouble is not None:
                self._block(result.trouble, time.monotonic())
                self._return_unstarted(result.reason)
        elif self._left is not None:
            self._left -= 1
        self._buffer.add_all([result])

    # -- threads ----------------------------------------------------------------------------------

    def _start_threads(self) -> None:
        for number in range(self._settings.fleet.threads):
            thread = threading.Thread(target=self._carry, name=f"job-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _carry(self) -> None:
        while True:
            item = self._jobs.get()
            if item is None:
                return
            self._pulse.started(item.tip)
            try:
                result = self._parts.carrier.run(
                    item, cancelled=functools.partial(self._cancelled, item)
                )
            finally:
                self._pulse.ended(item.tip)
            self._inbox.put(result)
