"""Poolers between us and Postgres: whether a session is really a session."""

from typing import Final

import psycopg

from noggin_mp.domain import errors
from noggin_mp.store import session, wire

_ROUNDS: Final = 8
_WAIT_S: Final = 2.0
_BACKEND: Final = "SELECT pg_backend_pid()"


def check(connection: session.Connection) -> None:
    """Nothing, when sessions are really sessions: LISTEN and session locks need that.

    A direct connection is recognised by the process id Postgres gave it at start-up, which a
    pooler replaces. Behind a pooler, a second connection tells the mode: two live sessions never
    share a server process, and one session never changes it.

    Raises: ConfigError behind a pooler in transaction or statement mode.
    """
    own = _backend(connection)
    if own == connection.info.backend_pid:
        return
    other = _another(connection)
    try:
        for _ in range(_ROUNDS):
            theirs = wire.answer(other, _BACKEND, within_s=_WAIT_S)
            if theirs is None:
                # It waits for a server process although we use none: ours is reserved for us.
                return
            if int(theirs) == own or _backend(connection) != own:
                raise refusal(_mode(connection))
    finally:
        other.close()


def refusal(mode: str) -> errors.ConfigError:
    """What people are told of a pooler in such a mode."""
    return errors.ConfigError(
        f"the database is reached through a pooler in {mode} mode;"
        " LISTEN and session locks need a direct or session-pooled DSN",
        remedy="point database.dsn at Postgres itself, or set pool_mode = session",
    )


def _another(connection: session.Connection) -> session.Connection:
    """A second connection to the same place. Raises: DatabaseUnreachable."""
    dsn = connection.info.dsn
    try:
        return psycopg.connect(
            dsn,
            password=connection.info.password or None,
            autocommit=True,
            connect_timeout=session.CONNECT_TIMEOUT_S,
        )
    except psycopg.Error as error:
        raise session.unreachable(dsn, error) from None


def _mode(connection: session.Connection) -> str:
    """Which of the two modes that share sessions it is: one of them knows no transactions."""
    try:
        with connection.transaction():
            connection.execute(_BACKEND)
    except psycopg.errors.ProtocolViolation:
        return "statement"
    return "transaction"


def _backend(connection: session.Connection) -> int:
    row = connection.execute(_BACKEND).fetchone()
    assert row is not None
    return int(row[0])
