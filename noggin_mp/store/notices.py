"""What the fleet tells people by itself: noted once, sent until it got through."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import rows as row_factories

from noggin_mp.domain import notices
from noggin_mp.store import session, statements

KEPT_DAYS: Final = 90
SENDING_S: Final = 120.0
"""How long one attempt may last before somebody else may take the notice."""

Decide = Callable[[Mapping[tuple[str, str], notices.Told]], Sequence[notices.Notice]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A notice to be sent: through which channels still, and which attempt this is."""

    notice_id: int
    notice: notices.Notice
    host: str
    channels: tuple[str, ...]
    attempts: int


def note(
    connection: session.Connection,
    decide: Decide,
    *,
    kinds: Sequence[str],
    host: str,
    channels: Sequence[str],
) -> list[notices.Notice]:
    """What `decide` makes of the levels last noted, written down as one change."""
    with connection.transaction():
        connection.execute(statements.statement("notices_lock"))
        found = connection.execute(statements.statement("notices_told"), {"kinds": list(kinds)})
        told = {
            (kind, subject): notices.Told(level=level, told_ago_s=ago)
            for kind, subject, level, ago in found.fetchall()
        }
        changed = list(decide(told))
        for one in changed:
            connection.execute(
                statements.statement("notices_note"),
                {
                    "kind": one.kind.value,
                    "subject": one.subject,
                    "level": one.level,
                    "message": one.text,
                    "silent": one.silent,
                    "host": host,
                    "channels": [] if one.silent else list(channels),
                },
            )
    return changed


def claim(connection: session.Connection) -> Waiting | None:
    """The oldest notice that is to be sent now, taken; None when none waits."""
    with connection.cursor(row_factory=row_factories.dict_row) as cursor:
        row = cursor.execute(
            statements.statement("notices_claim"), {"lease_s": SENDING_S}
        ).fetchone()
    if row is None:
        return None
    return Waiting(
        notice_id=row["notice_id"],
        notice=notices.Notice(
            kind=notices.Kind(row["kind"]),
            subject=row["subject"],
            level=row["level"],
            text=row["message"],
            silent=row["silent"],
        ),
        host=row["host"],
        channels=tuple(row["waiting_for"]),
        attempts=row["attempts"],
    )


def outcome(
    connection: session.Connection,
    waiting: Waiting,
    *,
    left: Sequence[str],
    error: str | None,
    again_s: float,
) -> None:
    """Write down what became of an attempt; with nothing `left` it is over."""
    connection.execute(
        statements.statement("notices_outcome"),
        {
            "notice_id": waiting.notice_id,
            "left": list(left),
            "error": error,
            "again_s": again_s,
        },
    )


def hosts(connection: session.Connection) -> list[dict[str, Any]]:
    """The hosts of the fleet, as `domain.notices` judges them."""
    with connection.cursor(row_factory=row_factories.dict_row) as cursor:
        return cursor.execute(statements.statement("notices_hosts")).fetchall()


def prune(connection: session.Connection) -> int:
    """How many old notices went; the latest of each subject stays."""
    return connection.execute(statements.statement("notices_prune"), {"days": KEPT_DAYS}).rowcount
