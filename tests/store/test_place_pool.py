"""A worker's pool waits for answers as long as the settings say, also after they have changed."""

import psycopg
import pytest

from noggin_mp.store import place, session


def timeout(connection: session.Connection) -> str:
    row = connection.execute("SHOW statement_timeout").fetchone()
    assert row is not None
    return str(row[0])


def test_pool_waits_for_answers_as_long_as_for_sessions_when_that_changes(database: str) -> None:
    here = place.Place(dsn=database, schema_name="public", application_name="h/0", patience_s=20)
    with here.pool(max_size=2) as pool:
        with pool.connection() as one:
            assert timeout(one) == "20s"
        pool.timeout = 0.3
        with pool.connection() as one, pool.connection(timeout=10) as other:
            assert [timeout(one), timeout(other)] == ["300ms", "300ms"]
            with pytest.raises(psycopg.errors.QueryCanceled):
                one.execute("SELECT pg_sleep(20)")
        pool.timeout = 20
        with pool.connection() as one:
            assert timeout(one) == "20s"
