"""The audit log: one row for every change a person makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg.types import json

from noggin_mp.store import session, statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who did what to what, and why; `affected` rows changed."""

    who: str
    action: str
    target: str
    reason: str = ""
    affected: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)


def write(connection: session.Connection, entry: Entry) -> None:
    """Write `entry` down, in the transaction of the change itself."""
    connection.execute(
        statements.statement("audit_write"),
        {
            "who": entry.who,
            "action": entry.action,
            "target": entry.target,
            "reason": entry.reason or None,
            "affected": entry.affected,
            "details": json.Jsonb(dict(entry.details)) if entry.details else None,
        },
    )
