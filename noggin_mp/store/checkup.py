"""What a database can do for a fleet: writes, notices, session locks, its clock, its room."""

import secrets
import time
from dataclasses import dataclass

from psycopg import sql

from noggin_mp.domain import errors
from noggin_mp.store import session


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many sessions the server takes, and how many others (not of noggin_mp) are open."""

    most: int
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How far the server's clock is ahead of ours, give or take `doubt_s`: the way to it."""

    ahead_s: float
    doubt_s: float


def room(connection: session.Connection) -> Room:
    """The server's limit of sessions, and the sessions of other programs."""
    row = connection.execute(
        "SELECT current_setting('max_connections')::integer"
        " - current_setting('superuser_reserved_connections')::integer,"
        " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND application_name NOT LIKE 'noggin-mp%%')::integer"
    ).fetchone()
    assert row is not None
    return Room(most=row[0], others=row[1])


def is_read_only(connection: session.Connection) -> bool:
    """True on a standby, and where an account or the server is set to take no writes."""
    row = connection.execute("SELECT current_setting('transaction_read_only')::boolean").fetchone()
    assert row is not None
    return bool(row[0])


def refuse_read_only(connection: session.Connection) -> None:
    """Raises: DatabaseUnreachable when it takes no writes."""
    if is_read_only(connection):
        raise errors.DatabaseUnreachable(
            f"the database at {session.place(connection.info.dsn)} takes no writes",
            remedy=session.READ_ONLY_REMEDY,
        )


def clock(connection: session.Connection) -> Clock:
    """The server's clock against this machine's: the best of three looks."""
    looks = []
    for _ in range(3):
        before = time.time()
        row = connection.execute(
            "SELECT extract(epoch FROM clock_timestamp())::double precision"
        ).fetchone()
        after = time.time()
        assert row is not None
        looks.append(((after - before) / 2, float(row[0]) - (before + after) / 2))
    doubt_s, ahead_s = min(looks)
    return Clock(ahead_s=ahead_s, doubt_s=doubt_s)


def heard_after_s(
    listener: session.Connection, speaker: session.Connection, *, within_s: float
) -> float | None:
    """Seconds from NOTIFY on one session to its arrival at another; None when it did not come."""
    channel = sql.Identifier(f"noggin_doctor_{secrets.token_hex(4)}")
    listener.execute(sql.SQL("LISTEN {}").format(channel))
    try:
        started = time.monotonic()
        speaker.execute(sql.SQL("NOTIFY {}").format(channel))
        for _ in listener.notifies(timeout=within_s, stop_after=1):
            return time.monotonic() - started
        return None
    finally:
        listener.execute(sql.SQL("UNLISTEN {}").format(channel))


def locks_hold(one: session.Connection, other: session.Connection) -> bool:
    """True when an advisory lock of one session keeps the other out, and ends when it is freed."""
    key = (secrets.randbits(63),)
    take, free = "SELECT pg_try_advisory_lock(%s)", "SELECT pg_advisory_unlock(%s)"
    answers = [
        _flag(session_, statement, key)
        for session_, statement in (
            (one, take), (other, take), (one, free), (other, take), (other, free)
        )
    ]  # fmt: skip
    return answers == [True, False, True, True, True]


def _flag(connection: session.Connection, statement: str, key: tuple[int]) -> bool:
    row = connection.execute(statement.encode(), key).fetchone()
    assert row is not None
    return bool(row[0])
