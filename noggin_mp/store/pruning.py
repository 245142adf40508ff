"""What nobody will look at again, deleted in batches: old errors, history, hosts long gone."""

import datetime
import math
from dataclasses import asdict, dataclass
from typing import Final

import psycopg

from noggin_mp.store import history, session, statements

BATCH: Final = 5_000


@dataclass(slots=True, kw_only=True)
class Pruned:
    """How many rows went, by what they were."""

    errors: int = 0
    rejected_rows: int = 0
    sessions: int = 0
    requests: int = 0
    breaker_events: int = 0
    breaker_minutes: int = 0
    workers: int = 0
    hosts: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(asdict(self).values())


def prune(
    connection: session.Connection, *, before: datetime.datetime, so_far: Pruned | None = None
) -> Pruned:
    """Delete what is older than `before`, each batch in a transaction of its own.

    Errors of TIPs that are not done yet stay, dead letters' too; records, attachments, loaded
    files and the audit log are never touched. `so_far` is counted up as it goes, for a caller who
    wants to tell what was done when it is cut short. The breaker's history goes by whole days.
    """
    counts = so_far if so_far is not None else Pruned()
    parameters = {"before": before, "limit": BATCH}
    while True:
        done = connection.execute(statements.statement("prune_errors"), parameters).rowcount
        counts.errors += done
        if done < BATCH:
            break
    while True:
        row = connection.execute(statements.statement("prune_rows"), parameters).fetchone()
        assert row is not None
        counts.rejected_rows += row[0]
        counts.sessions += row[1]
        counts.requests += row[2]
        counts.workers += row[3]
        counts.hosts += row[4]
        if max(row[:3]) < BATCH:
            break
    age = datetime.datetime.now(datetime.UTC) - before
    while True:
        gone = history.prune(connection, days=max(1, math.ceil(age / datetime.timedelta(days=1))))
        counts.breaker_events += gone.events
        counts.breaker_minutes += gone.minutes
        if history.PRUNE_LIMIT not in (gone.events, gone.minutes):
            return counts


def would_prune(connection: session.Connection, *, before: datetime.datetime) -> Pruned:
    """What `prune` would delete: it is done, and taken back."""
    counts = Pruned()
    with connection.transaction(force_rollback=True):
        prune(connection, before=before, so_far=counts)
    return counts


def live_tokens(connection: session.Connection) -> list[int]:
    """The tokens of all leases, whose partial files may be in the making."""
    with connection.cursor(row_factory=psycopg.rows.scalar_row) as cursor:
        return cursor.execute("SELECT token FROM lease").fetchall()
