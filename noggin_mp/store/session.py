"""Sessions with Postgres: every connection of the program is opened, and set up, here."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import psycopg
import psycopg_pool
from psycopg import conninfo
from psycopg.rows import TupleRow

from noggin_mp.domain import errors
from noggin_mp.store import wire

Connection = psycopg.Connection[TupleRow]
Pool = psycopg_pool.ConnectionPool[Connection]

CONNECT_TIMEOUT_S: Final = 10

# A peer that vanished (power, firewall) is noticed within about five seconds on either side;
# the kernel's own default is over two hours.
_CLIENT_KEEPALIVE: Final[dict[str, Any]] = {
    "keepalives": 1,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
_SERVER_KEEPALIVE: Final[dict[str, str]] = {
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "5000",
}
_SECRETS: Final = ("password", "sslpassword", "oauth_client_secret")
_SQLSTATE_NO_DATABASE: Final = "3D000"
READ_ONLY_REMEDY: Final = (
    "point database.dsn at the primary (target_session_attrs=read-write finds it among hosts),"
    " or let the server take writes"
)
_NO_SESSION: Final = "it gave us no session"


def connect(
    dsn: str,
    *,
    schema: str,
    application_name: str,
    autocommit: bool = True,
    statement_timeout_s: float = 0.0,
    force_custom_plan: bool = False,
    connect_timeout_s: int = CONNECT_TIMEOUT_S,
) -> Connection:
    """A connection to `dsn`, set up as every session of ours: search_path, UTC, keepalives.

    `statement_timeout_s` 0 means none. `force_custom_plan` makes prepared statements plan anew
    each time, for tables whose size swings (the queue). Settings are made by SET after
    connecting, never as start-up options, which poolers refuse.

    Raises: DatabaseUnreachable when the DSN is malformed, nobody answers or we are refused.
    """
    arguments = _arguments(dsn, application_name, connect_timeout_s)
    try:
        connection = psycopg.connect(**arguments, autocommit=autocommit)
    except psycopg.Error as error:
        raise unreachable(dsn, error) from None
    try:
        _set_up(connection, schema, statement_timeout_s, force_custom_plan, connect_timeout_s)
    except psycopg.Error as error:
        connection.close()
        raise unreachable(dsn, error) from None
    return connection


def open_pool(
    dsn: str,
    *,
    schema: str,
    application_name: str,
    max_size: int = 3,
    min_size: int = 1,
    autocommit: bool = True,
    statement_timeout_s: float = 0.0,
    force_custom_plan: bool = False,
    connect_timeout_s: int = CONNECT_TIMEOUT_S,
    timeout_s: float = 30.0,
    checked: bool = True,
    lent: Callable[[Connection], None] | None = None,
) -> Pool:
    """An open pool of sessions like those of `connect`. It has threads: fork first.

    Whoever asks for a session waits `timeout_s` for one at most.
    `checked` asks each session whether it lives before it is lent: one round trip more. `lent` is
    called instead, where it is given.

    Raises: DatabaseUnreachable when not even the first session can be opened.
    """
    pool: Pool = psycopg_pool.ConnectionPool(
        "",
        kwargs={
            **_arguments(dsn, application_name, connect_timeout_s),
            "autocommit": autocommit,
        },
        configure=lambda c: _set_up(
            c, schema, statement_timeout_s, force_custom_plan, connect_timeout_s
        ),
        check=lent or (psycopg_pool.ConnectionPool.check_connection if checked else None),
        min_size=min_size,
        max_size=max_size,
        timeout=timeout_s,
        name=application_name,
        open=False,
    )
    try:
        pool.open(wait=True, timeout=connect_timeout_s + 1.0)
    except psycopg.Error as error:
        pool.close()
        # The pool only knows that time ran out; one plain attempt tells why.
        connect(
            dsn,
            schema=schema,
            application_name=application_name,
            connect_timeout_s=connect_timeout_s,
        ).close()
        raise unreachable(dsn, error) from None
    return pool


def parse(dsn: str) -> dict[str, Any]:
    """The parts of a DSN, URL or keywords, as libpq names them.

    Raises: DatabaseUnreachable when it is malformed. The message never quotes the DSN, because
    what libpq takes for a port or a host may well be a piece of the password.
    """
    try:
        parts = conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        raise _malformed() from None
    ports = str(parts.get("port", "")).split(",")
    if _splits_password(dsn) or not all(port.isdecimal() or not port for port in ports):
        raise _malformed()
    return parts


def place(dsn: str) -> str:
    """Where a DSN points, for people: host, port and database, never the password."""
    parts = parse(dsn)
    host = parts.get("host") or parts.get("hostaddr") or "the local socket"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"{host}{port}/{parts.get('dbname') or parts.get('user') or ''}"


def redact(dsn: str) -> str:
    """The DSN as it is when it holds no password, else as keywords with *** in its place."""
    parts = parse(dsn)
    secrets = {name: "***" for name in _SECRETS if parts.get(name)}
    return text({**parts, **secrets}) if secrets else dsn


def text(parts: dict[str, Any]) -> str:
    """The DSN made of `parts`, as keywords."""
    return conninfo.make_conninfo("", **parts)


def server_version(connection: Connection) -> str:
    """The server's version as it tells it: `18.4`, `15.8 (Debian 15.8-0+deb12u1)`."""
    return connection.info.parameter_status("server_version") or ""


def data_directory(connection: Connection) -> str | None:
    """The server's data folder on its own machine; None when our role may not know."""
    row = connection.execute(
        "SELECT setting FROM pg_settings WHERE name = 'data_directory'"
    ).fetchone()
    return str(row[0]) if row and row[0] else None


def unreachable(dsn: str, error: psycopg.Error) -> errors.DatabaseUnreachable:
    """The one-sentence error for a failed connection; the password is not in it."""
    reason = _reason(error)
    for secret in filter(None, map(parse(dsn).get, _SECRETS)):
        reason = reason.replace(str(secret), "***")
    if error.sqlstate == _SQLSTATE_NO_DATABASE or "does not exist" in reason:
        remedy = "create it, or correct database.dsn"
    elif isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        remedy = READ_ONLY_REMEDY
    elif _NO_SESSION in reason:
        remedy = (
            "behind a pooler raise its default_pool_size or run fewer workers;"
            " without one see what holds the server up"
        )
    elif "too many clients" in reason or "connection slots" in reason:
        remedy = "raise max_connections of the server or run fewer workers"
    else:
        remedy = "check database.dsn and that the server is up"
    return errors.DatabaseUnreachable(
        f"the database at {place(dsn)} refused us or is down: {reason}", remedy=remedy
    )


@contextlib.contextmanager
def telling(dsn: str) -> Iterator[None]:
    """A session lost on the way is told like one refused, and so is a server that takes no writes,
    as in a failover. Raises: DatabaseUnreachable."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction) as error:
        raise unreachable(dsn, error) from error


def _splits_password(dsn: str) -> bool:
    """True when some of the password is read as a host: by a bare @ or /, or `host= password=x`."""
    scheme, mark, rest = dsn.partition("://")
    if not mark or not scheme.startswith("postgres"):
        return "= password" in " ".join(dsn.split())
    authority, _, path = rest.partition("?")[0].partition("/")
    return authority.count("@") > 1 or "@" in path


def _malformed() -> errors.DatabaseUnreachable:
    return errors.DatabaseUnreachable(
        "the database DSN cannot be read",
        remedy="write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE with special characters"
        " of the password percent-encoded, or as host=HOST dbname=DATABASE user=USER",
    )


def _arguments(dsn: str, application_name: str, connect_timeout_s: int) -> dict[str, Any]:
    given = parse(dsn)
    return {
        "connect_timeout": connect_timeout_s,
        **_CLIENT_KEEPALIVE,
        **given,
        "application_name": application_name,
        "client_encoding": "UTF8",
    }


def _set_up(
    connection: Connection,
    schema: str,
    statement_timeout_s: float,
    force_custom_plan: bool,
    within_s: float,
) -> None:
    wanted = {
        "search_path": f"{schema}, public",
        "TimeZone": "UTC",
        "statement_timeout": str(round(statement_timeout_s * 1000)),
        **_SERVER_KEEPALIVE,
    }
    if force_custom_plan:
        wanted["plan_cache_mode"] = "force_custom_plan"
    # A pooler lets anybody in, and then keeps him waiting for a session: bounded like connecting.
    if wire.set_config(connection, wanted, within_s=within_s) is None:
        connection.close()
        raise psycopg.errors.ConnectionTimeout(f"{_NO_SESSION} within {within_s:g} s")


def _reason(error: psycopg.Error) -> str:
    """The telling line of libpq's message: of several addresses tried, the last one's."""
    if error.diag.message_primary:
        return error.diag.message_primary
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = (
        [line for line in lines if "failed:" in line or "FATAL:" in line] or lines or ["no answer"]
    )
    line = telling[-1]
    for mark in ("failed: ", "FATAL: "):
        line = line.rpartition(mark)[2].strip() if mark in line else line
    return line.rstrip(".")
