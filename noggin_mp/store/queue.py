"""The queue as one function per protocol step: lease, renew, release, reap, promote, reconcile."""

import dataclasses
import datetime
import time
from collections.abc import Sequence
from typing import Final

import psycopg

from noggin_mp.domain.tip import LeaseToken, Status, Tip
from noggin_mp.store import session, statements

CHANNEL: Final = "noggin_queue"
PRIORITIES: Final = (0, 1, 2, 3, 4, 5)
SUSPECTS: Final = 9
"""The priority of TIPs whose workers died twice; leased alone, one at a time."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who leases: a slot of a host, in one life (`boot`) of one installation (`instance`)."""

    host: str
    slot: int
    instance: str
    boot: int

    @property
    def worker_id(self) -> str:
        """The name in noggin_data.worker_id, logs and breaker votes."""
        return f"{self.host}/{self.slot}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """One TIP under a lease, with what the queue knows of it."""

    token: LeaseToken
    tip: Tip
    gen: int
    prio: int
    object_type: str
    object_code: str | None
    status: Status
    retry_count: int
    interruptions: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one lease statement gave: maybe nothing (`token` None), and how far it read.

    `taken` counts the entries removed from the queue, stale ones included: when it equals what was
    asked for, there may be more. `trusted_until` is local monotonic time: past it, the lease may be
    somebody else's.
    """

    token: LeaseToken | None
    items: tuple[Leased, ...]
    taken: int
    trusted_until: float


class Cursor:
    """Where one worker stands in each priority, so that it walks no dead entry twice."""

    def __init__(self, priorities: Sequence[int] = PRIORITIES) -> None:
        self._priorities = tuple(priorities)
        self._after = dict.fromkeys(self._priorities, 0)

    def reset(self, head: Sequence[int] = ()) -> None:
        """Back to the published head, its entry included; to the very start without one."""
        for prio in self._priorities:
            known = head[prio] if prio < len(head) else 0
            self._after[prio] = max(0, known - 1)

    def advance(self, prio: int, seq: int) -> None:
        """Everything of `prio` up to `seq` was taken or is held by others."""
        self._after[prio] = max(self._after[prio], seq)

    @property
    def priorities(self) -> list[int]:
        """The priorities read, most urgent first."""
        return list(self._priorities)

    @property
    def after(self) -> list[int]:
        """The position in each priority, in the same order."""
        return [self._after[prio] for prio in self._priorities]


def lease(
    connection: session.Connection, *, holder: Holder, cursor: Cursor, k: int, lease_s: float
) -> Batch:
    """Up to `k` TIPs for `holder`, most urgent first; the cursor moves past what was read."""
    asked = time.monotonic()
    rows = connection.execute(
        statements.statement("lease"),
        {
            "prios": cursor.priorities,
            "after": cursor.after,
            "k": k,
            "lease_s": lease_s,
            **dataclasses.asdict(holder),
        },
    ).fetchall()
    for row in rows:
        cursor.advance(row[1], row[2])
    return _batch(rows, trusted_until=asked + lease_s)


def suspects(connection: session.Connection) -> int:
    """How many TIPs wait to be leased alone."""
    row = connection.execute(statements.statement("suspects")).fetchone()
    return int(row[0]) if row else 0


def lease_one(
    connection: session.Connection, *, holder: Holder, tip: Tip, lease_s: float
) -> Batch | None:
    """The TIP called `tip`, asked for and leased in one transaction.

    An empty batch means that somebody works on it right now; None that there is no such TIP.
    """
    asked = time.monotonic()
    with connection.transaction():
        known = connection.execute("SELECT FROM noggin_data WHERE tip = %s", (tip,)).fetchone()
        if known is None:
            return None
        connection.execute(statements.statement("requeue_one"), {"tip": tip})
        rows = connection.execute(
            statements.statement("lease_one"),
            {"tip": tip, "lease_s": lease_s, **dataclasses.asdict(holder)},
        ).fetchall()
    return _batch(rows, trusted_until=asked + lease_s)


def _batch(rows: Sequence[tuple[object, ...]], *, trusted_until: float) -> Batch:
    items = tuple(
        Leased(
            token=LeaseToken(row[0]),  # type: ignore[arg-type]
            tip=Tip(row[3]),  # type: ignore[arg-type]
            gen=row[4],  # type: ignore[arg-type]
            prio=row[1],  # type: ignore[arg-type]
            object_type=row[5],  # type: ignore[arg-type]
            object_code=row[6],  # type: ignore[arg-type]
            status=Status(row[7]),  # type: ignore[arg-type]
            retry_count=row[8],  # type: ignore[arg-type]
            interruptions=row[9],  # type: ignore[arg-type]
        )
        for row in rows
        if row[3] is not None
    )
    token = items[0].token if items else None
    return Batch(token=token, items=items, taken=len(rows), trusted_until=trusted_until)


def renew(
    connection: session.Connection, *, tokens: Sequence[LeaseToken], lease_s: float
) -> frozenset[LeaseToken]:
    """The tokens that are still ours, now good for another `lease_s`; the others are lost."""
    rows = connection.execute(
        statements.statement("renew"), {"tokens": list(tokens), "lease_s": lease_s}
    ).fetchall()
    return frozenset(LeaseToken(row[0]) for row in rows)


def release(
    connection: session.Connection, *, token: LeaseToken, tips: Sequence[Tip] | None = None
) -> int:
    """How many TIPs went back uncharged under their old gen; -1 when the lease is lost."""
    return _number(
        connection, "SELECT queue_release(%s, %s)", (token, None if tips is None else list(tips))
    )


def held(connection: session.Connection, *, holder: Holder) -> list[LeaseToken]:
    """Every lease that the holder has in this life, whether it knows of it or not."""
    rows = connection.execute(
        "SELECT token FROM lease WHERE host = %(host)s AND slot = %(slot)s"
        " AND instance = %(instance)s AND boot = %(boot)s",
        dataclasses.asdict(holder),
    ).fetchall()
    return [LeaseToken(row[0]) for row in rows]


def tokens(connection: session.Connection) -> tuple[frozenset[int], int]:
    """The tokens of all leases there are, and the last token that was issued before them."""
    row = connection.execute(
        "SELECT coalesce(last_value, 0) FROM pg_sequences WHERE format('%%I.%%I', schemaname,"
        " sequencename) = pg_get_serial_sequence(format('%%I.lease', current_schema()), %s)",
        ("token",),
    ).fetchone()
    held = connection.execute("SELECT token FROM lease").fetchall()
    return frozenset(one[0] for one in held), int(row[0]) if row else 0


def finish(connection: session.Connection, *, token: LeaseToken) -> None:
    """Drop a lease of which nothing is left: its TIPs are settled or handed back."""
    connection.execute(statements.statement("settle_finish"), {"tokens": [token]})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What a reap or an adoption gave back to the queue."""

    leases: int
    tips: int
    charged: int


def reap(connection: session.Connection, *, max_attempts: int, backoff_s: float) -> Returned:
    """Return what expired leases held (leader)."""
    return _returned(connection, "queue_reap(%s, %s)", (max_attempts, backoff_s))


def adopt(
    connection: session.Connection, *, holder: Holder, max_attempts: int, backoff_s: float
) -> Returned:
    """Return what earlier tenants of the holder's slot held; the caller holds the slot's lock."""
    return _returned(
        connection,
        "queue_adopt(%s, %s, %s, %s, %s, %s)",
        (holder.host, holder.slot, holder.instance, holder.boot, max_attempts, backoff_s),
    )


def _returned(connection: session.Connection, call: str, arguments: tuple[object, ...]) -> Returned:
    query = f"SELECT leases, returned, charged FROM {call}"  # noqa: S608 - `call` is one of two literals above
    row = connection.execute(query.encode(), arguments).fetchone()
    assert row is not None
    return Returned(leases=row[0], tips=row[1], charged=row[2])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """What one promotion moved, where the next one goes on, and when it has something to do.

    `next_in_s` is by the database's clock, None when nothing waits.
    """

    taken: int
    promoted: int
    cursor: tuple[datetime.datetime, int]
    next_run_at: datetime.datetime | None
    next_in_s: float | None


PROMOTE_LIMIT: Final = 1000
"""How many retries one promotion moves at most; the literal in queue_promote."""
BEFORE_ALL: Final = (datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC), 0)


def promote(
    connection: session.Connection, *, after: tuple[datetime.datetime, int] = BEFORE_ALL
) -> Promoted:
    """Move due retries to ready, at most 1,000 a call (leader)."""
    row = connection.execute(
        "SELECT taken, promoted, last_run_at, last_seq, next_run_at,"
        " extract(epoch FROM next_run_at - clock_timestamp())::float8 FROM queue_promote(%s, %s)",
        after,
    ).fetchone()
    assert row is not None
    cursor = after if row[2] is None else (row[2], row[3])
    return Promoted(
        taken=row[0], promoted=row[1], cursor=cursor, next_run_at=row[4], next_in_s=row[5]
    )


def reconcile(connection: session.Connection, *, limit: int = 1000) -> int:
    """How many due rows without a live entry were filed again (leader)."""
    return _number(connection, "SELECT queue_reconcile(%s)", (limit,))


def publish_head(connection: session.Connection) -> list[int]:
    """The lowest live seq of each priority, now published in queue_control (leader)."""
    row = connection.execute("SELECT queue_publish_head()").fetchone()
    assert row is not None
    return list(row[0])


def _number(connection: session.Connection, query: str, arguments: tuple[object, ...]) -> int:
    row = connection.execute(query.encode(), arguments).fetchone()
    assert row is not None
    return int(row[0])


def came_through(connection: session.Connection, *, tip: Tip) -> bool:
    """True when nothing is left to do for `tip`: complete, or known not to exist."""
    row = connection.execute(
        "SELECT processing_status IN ('complete', 'not_found') FROM noggin_data WHERE tip = %s",
        (tip,),
    ).fetchone()
    return bool(row and row[0])


def is_bad_row(error: psycopg.Error) -> bool:
    """True for SQLSTATE classes 22 and 23: one row's value is at fault, not the batch."""
    return (error.sqlstate or "")[:2] in {"22", "23"}
