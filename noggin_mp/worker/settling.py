"""Results on their way to the database: buffered for a moment, settled in batches, told once."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from noggin_mp.domain import retry
from noggin_mp.domain.tip import LeaseToken, Tip
from noggin_mp.observe import logs, metrics
from noggin_mp.observe import session_log as sessions
from noggin_mp.store import queue, session, settle
from noggin_mp.worker import job, ledger, results

MAX_AGE_S: Final = 0.05
MAX_ITEMS: Final = 200
_LOCKED_AGAIN_S: Final = 0.1

log = logs.get("settle")


class Buffer:
    """Holds results for at most 50 ms or 200 of them, then settles; belongs to the main thread."""

    def __init__(
        self,
        *,
        pool: session.Pool,
        held: ledger.Ledger,
        meters: metrics.Metrics,
        decide: Callable[[int], retry.RetryAt | retry.Dead],
        session_log: sessions.SessionLog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._held = held
        self._meters = meters
        self._decide = decide
        self._session_log = session_log
        self._clock = clock
        self._done: list[job.Done] = []
        self._back: list[job.HandBack] = []
        self._due: float | None = None

    @property
    def empty(self) -> bool:
        """True when nothing waits to be settled."""
        return not (self._done or self._back)

    def due_in_s(self) -> float:
        """Seconds until the next flush is due; a long time when nothing waits."""
        return 3600.0 if self._due is None else max(0.0, self._due - self._clock())

    def add_all(self, found: Sequence[job.Result]) -> None:
        """Take results in; the first one starts the clock."""
        for result in found:
            if isinstance(result, job.Done):
                self._done.append(result)
            else:
                self._back.append(result)
        if found and self._due is None:
            self._due = self._clock() + MAX_AGE_S

    def flush(self, *, force: bool = False) -> None:
        """Settle what is due. Raises: psycopg.Error; nothing is lost then."""
        if self.empty:
            return
        if not force and len(self._done) < MAX_ITEMS and self.due_in_s() > 0:
            return
        with self._pool.connection() as connection:
            # At once, so that a failure to hand back does not tell of settled results again.
            self._done = self._settle(connection)
            self._due = self._clock() + _LOCKED_AGAIN_S
            self._hand_back(connection)
        if not self._done:
            self._due = None

    def _settle(self, connection: session.Connection) -> list[job.Done]:
        """Write the results; gives those to try again: locked rows, and bad rows now charged."""
        batch, later = _once_each(self._done)
        if not batch:
            return later
        finished = self._held.finished_by((one.item.token, one.item.tip) for one in batch)
        settled = settle.settle(connection, [one.settlement for one in batch], finished=finished)
        for number, (one, fate) in enumerate(zip(batch, settled.fates, strict=True)):
            if fate is settle.Fate.LOCKED:
                later.append(one)
            elif fate is settle.Fate.BAD_ROW:
                later.append(self._bad_row(one, settled.errors[number]))
            else:
                self._close(one.item, fate)
                self._tell(one, fate)
        if self._session_log is not None:
            self._session_log.flush()
        return later

    def _close(self, item: queue.Leased, fate: settle.Fate) -> None:
        if fate is settle.Fate.LEASE_LOST and item.token in self._held.tokens:
            # Before a renewal could notice: what else was held under it is lost as well.
            self._meters.lease_lost()
            self._held.forget(item.token)
        self._held.close(item.token, item.tip)

    def _bad_row(self, one: job.Done, message: str) -> job.Done:
        settlement = results.bad_row(one.item, message, self._decide, one.settlement.worker_id)
        return job.Done(
            item=one.item,
            settlement=settlement,
            outcome=results.outcome_of(settlement),
            started=one.started,
        )

    def _hand_back(self, connection: session.Connection) -> None:
        by_token: dict[LeaseToken, list[job.HandBack]] = {}
        for back in self._back:
            by_token.setdefault(back.item.token, []).append(back)
        for token, backs in by_token.items():
            self._release(connection, token, [back.item.tip for back in backs])
            for back in backs:
                self._meters.tip_settled(back.item.object_code or "unknown", "released")
                log.debug("tip_released", tip=back.item.tip, reason=back.reason)
            self._back = [back for back in self._back if back.item.token != token]

    def _release(
        self, connection: session.Connection, token: LeaseToken, tips: Sequence[Tip]
    ) -> None:
        known = token in self._held.tokens
        count = queue.release(connection, token=token, tips=tips)
        for tip in tips:
            self._held.close(token, tip)
        if count < 0:
            if known:
                self._meters.lease_lost()
            self._held.forget(token)
        elif token not in self._held.tokens:
            queue.finish(connection, token=token)

    def _tell(self, one: job.Done, fate: settle.Fate) -> None:
        """One closing line and one metric update per TIP."""
        item, row = one.item, one.settlement
        outcome = one.outcome if fate is settle.Fate.WRITTEN else "lease_lost"
        if outcome == "complete" and self._session_log is not None:
            reference = (row.record or {}).get("noggin_reference")
            files = [file.filename for file in row.attachments if file.filename]
            self._session_log.completed(item.tip, str(reference or ""), files)
        self._meters.tip_settled(
            item.object_code or row.object_code or "unknown",
            outcome,
            self._clock() - one.started,
        )
        say = log.info if outcome in {"complete", "not_found"} else log.warning
        say(
            "tip_settled",
            tip=item.tip,
            type=row.object_code or item.object_code,
            outcome=outcome if fate is settle.Fate.WRITTEN else fate.value,
            status=row.status,
            retry_count=row.retry_count,
            files=one.files,
            bytes=one.file_bytes,
            seconds=round(self._clock() - one.started, 3),
            error=row.error_message,
        )


def _once_each(done: Sequence[job.Done]) -> tuple[list[job.Done], list[job.Done]]:
    """The first result of each TIP, and the rest: one settle takes a TIP once."""
    batch: dict[Tip, job.Done] = {}
    later: list[job.Done] = []
    for one in done:
        if one.item.tip in batch or len(batch) >= MAX_ITEMS:
            later.append(one)
        else:
            batch[one.item.tip] = one
    return list(batch.values()), later
