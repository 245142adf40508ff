"""Sessions are set up as promised; a database out of reach is told in one sentence."""

import socket
from collections.abc import Iterator

import pytest
from psycopg import conninfo

from noggin_mp.domain import errors
from noggin_mp.store import session
from tests.support import descriptors

SECRET = "s3cr3t-pa55"


def setting(connection: session.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which nobody listens, and nobody can meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield int(taken.getsockname()[1])


def test_connect_sets_up_session_when_database_answers(database: str) -> None:
    with session.connect(
        database,
        schema="noggin_schema",
        application_name="noggin h/3",
        statement_timeout_s=2.5,
        force_custom_plan=True,
    ) as connection:
        assert connection.autocommit
        assert setting(connection, "search_path") == "noggin_schema, public"
        assert setting(connection, "TimeZone") == "UTC"
        assert setting(connection, "application_name") == "noggin h/3"
        assert setting(connection, "statement_timeout") == "2500ms"
        assert setting(connection, "plan_cache_mode") == "force_custom_plan"
        assert setting(connection, "client_encoding") == "UTF8"
        over_tcp = not connection.info.host.startswith("/")
        assert setting(connection, "tcp_keepalives_idle") == ("2" if over_tcp else "0")
        assert setting(connection, "tcp_user_timeout") == ("5000" if over_tcp else "0")


def test_connect_works_when_a_thousand_files_are_open(database: str) -> None:
    with (
        descriptors.held(),
        session.connect(database, schema="noggin_schema", application_name="tests") as connection,
    ):
        assert connection.fileno() > 1023
        assert setting(connection, "TimeZone") == "UTC"


def test_connect_leaves_no_transaction_open_when_not_autocommit(database: str) -> None:
    with session.connect(
        database, schema="noggin_schema", application_name="tests", autocommit=False
    ) as connection:
        assert connection.info.transaction_status.name == "IDLE"
        connection.rollback()
        assert setting(connection, "search_path") == "noggin_schema, public"


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://u:{SECRET}/x@host/db",  # the password's slash ends the host: a bad port
        f"postgresql://u:a@{SECRET}@host/db",  # the password's @ ends it: a bad host
        f"host=h password={SECRET} nonsense",
        f"host= password={SECRET}",  # the password is read as the host
        f"postgres://u:{SECRET}@h:port/db",
        f"nosuchkey={SECRET}",
    ],
)
def test_connect_quotes_nothing_of_dsn_when_it_is_malformed(dsn: str) -> None:
    with pytest.raises(errors.DatabaseUnreachable) as caught:
        session.connect(dsn, schema="noggin_schema", application_name="tests")
    assert SECRET not in str(caught.value)
    assert "postgresql://USER:PASSWORD@HOST" in caught.value.remedy


def test_connect_tells_place_and_reason_when_nobody_listens(port: int) -> None:
    dsn = f"postgresql://joe:{SECRET}@127.0.0.1:{port}/inspections"
    with pytest.raises(errors.DatabaseUnreachable) as caught:
        session.connect(dsn, schema="noggin_schema", application_name="tests")
    message = str(caught.value)
    assert f"127.0.0.1:{port}/inspections" in message
    assert "onnection refused" in message
    assert SECRET not in message
    assert "\n" not in message
    assert caught.value.exit_code == 5
    assert caught.value.__cause__ is None  # a traceback must not show libpq's text either


def test_connect_says_which_database_when_it_does_not_exist(server_dsn: str) -> None:
    dsn = conninfo.make_conninfo(server_dsn, dbname="no_such_database")
    with pytest.raises(errors.DatabaseUnreachable, match=r"no_such_database.*create it"):
        session.connect(dsn, schema="noggin_schema", application_name="tests")


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("postgresql://u@h:1/d", "postgresql://u@h:1/d"),
        (f"postgresql://u:{SECRET}@h:1/d", "user=u password=*** dbname=d host=h port=1"),
        (f"host=h password={SECRET}", "host=h password=***"),
        ("", ""),
    ],
)
def test_redact_hides_password_when_there_is_one(dsn: str, expected: str) -> None:
    redacted = session.redact(dsn)
    assert conninfo.conninfo_to_dict(redacted) == conninfo.conninfo_to_dict(expected)
    assert SECRET not in redacted


def test_open_pool_sets_up_every_session_when_it_grows(database: str) -> None:
    with (
        session.open_pool(
            database, schema="noggin_schema", application_name="pool", max_size=2
        ) as pool,
        pool.connection() as one,
        pool.connection() as two,
    ):
        assert one.info.backend_pid != two.info.backend_pid
        for connection in (one, two):
            assert setting(connection, "search_path") == "noggin_schema, public"
            assert connection.autocommit


def test_open_pool_tells_reason_when_database_is_down(port: int) -> None:
    dsn = f"postgresql://joe:{SECRET}@127.0.0.1:{port}/d"
    with pytest.raises(errors.DatabaseUnreachable, match="onnection refused") as caught:
        session.open_pool(
            dsn, schema="noggin_schema", application_name="tests", connect_timeout_s=1
        )
    assert SECRET not in str(caught.value)


def test_open_pool_replaces_session_when_server_ended_it(database: str, server_dsn: str) -> None:
    with session.open_pool(
        database, schema="noggin_schema", application_name="pool", max_size=1
    ) as pool:
        with pool.connection() as connection:
            killed = connection.info.backend_pid
        with session.connect(database, schema="noggin_schema", application_name="tests") as killer:
            killer.execute("SELECT pg_terminate_backend(%s, 60000)", (killed,))
        with pool.connection() as connection:
            assert connection.info.backend_pid != killed
            assert setting(connection, "search_path") == "noggin_schema, public"
