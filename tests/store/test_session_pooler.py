"""A pooler that would break LISTEN and session locks is recognised; another is let be."""

import psycopg
import pytest

from noggin_mp.domain import errors
from noggin_mp.store import session
from tests.support.pooler import needs_pgbouncer, pooled


def check(dsn: str) -> None:
    with session.connect(dsn, schema="noggin_schema", application_name="tests") as connection:
        session.check_pooler(connection)


def test_check_pooler_passes_when_connection_is_direct(database: str) -> None:
    check(database)


@needs_pgbouncer
def test_check_pooler_passes_when_pooler_keeps_sessions(database: str) -> None:
    with pooled(database, "session") as dsn:
        check(dsn)


@needs_pgbouncer
def test_check_pooler_passes_when_session_pool_has_one_place(database: str) -> None:
    with pooled(database, "session", "default_pool_size = 1") as dsn:
        check(dsn)


@needs_pgbouncer
@pytest.mark.parametrize("extra", ["", "server_round_robin = 1", "default_pool_size = 1"])
def test_check_pooler_refuses_when_pooler_shares_sessions(database: str, extra: str) -> None:
    with (
        pooled(database, "transaction", extra) as dsn,
        pytest.raises(errors.ConfigError, match="direct or session-pooled DSN") as caught,
    ):
        check(dsn)
    assert caught.value.exit_code == 3


@needs_pgbouncer
def test_check_pooler_refuses_when_shared_pool_is_busy(database: str) -> None:
    with pooled(database, "transaction", "server_round_robin = 1") as dsn:
        others = [psycopg.connect(dsn) for _ in range(4)]
        for number, other in enumerate(others):
            other.execute("SELECT 1")  # each holds a server process of its own
            if number % 2:
                other.rollback()
        with pytest.raises(errors.ConfigError):
            check(dsn)
        for other in others:
            other.close()
