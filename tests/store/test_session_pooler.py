"""A pooler that would break LISTEN and session locks is recognised; another is let be."""

import psycopg
import pytest

from noggin_mp.domain import errors
from noggin_mp.store import pooler, session
from tests.support.pooler import needs_pgbouncer, pooled


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who shares sessions gives one in the end, however late; only silence is short."""
    monkeypatch.setattr(pooler, "_WAIT_S", 60.0)


def check(dsn: str) -> None:
    with session.connect(dsn, schema="noggin_schema", application_name="tests") as connection:
        pooler.check(connection)


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


@pytest.mark.usefixtures("patience")
@needs_pgbouncer
@pytest.mark.parametrize("extra", ["", "server_round_robin = 1", "default_pool_size = 1"])
def test_check_pooler_refuses_when_pooler_shares_sessions(database: str, extra: str) -> None:
    with (
        pooled(database, "transaction", extra) as dsn,
        pytest.raises(errors.ConfigError, match="direct or session-pooled DSN") as caught,
    ):
        check(dsn)
    assert caught.value.exit_code == 3


@pytest.mark.usefixtures("patience")
@needs_pgbouncer
def test_check_pooler_names_the_mode_when_pooler_knows_no_transactions(database: str) -> None:
    with (
        pooled(database, "statement") as dsn,
        pytest.raises(errors.ConfigError, match="through a pooler in statement mode"),
    ):
        check(dsn)


@needs_pgbouncer
def test_connect_gives_up_when_the_pooler_has_no_session_left(database: str) -> None:
    def connect(within_s: int = 60) -> session.Connection:
        return session.connect(
            dsn, schema="noggin_schema", application_name="tests", connect_timeout_s=within_s
        )

    with pooled(database, "session", "default_pool_size = 1") as dsn:
        with connect() as first:
            with pytest.raises(errors.DatabaseUnreachable) as caught:
                connect(within_s=2)
            assert first.execute("SELECT 1").fetchone() == (1,)
        assert "gave us no session within 2 s" in str(caught.value)
        assert "raise its default_pool_size" in str(caught.value)
        connect().close()


@pytest.mark.usefixtures("patience")
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
