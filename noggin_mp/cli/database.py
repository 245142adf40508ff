"""A session for a verb: opened, its schema checked, closed when the verb is done."""

import contextlib
import getpass
from collections.abc import Iterator

from noggin_mp.cli.context import Context
from noggin_mp.store import schema, session


@contextlib.contextmanager
def opened(
    ctx: Context, verb: str, *, start: bool = True, create: bool = False, timeout_s: float = 0.0
) -> Iterator[session.Connection]:
    """A session with the configured database, for `verb`.

    `start` starts an embedded server that is down; `create` makes the schema in a database that has
    none, so that the first import needs no preparation; an old schema is never changed by the way.

    Raises: DatabaseUnreachable; SchemaError when the schema is not this program's; ConfigError
    behind a pooler that knows no transactions.
    """
    name = ctx.essentials.schema_name
    dsn = ctx.dsn(start=start)
    connection = session.connect(
        dsn,
        schema=name,
        application_name=f"noggin-mp/{verb}",
        statement_timeout_s=timeout_s,
    )
    # A pooler in transaction mode would look for what we prepared in other sessions.
    connection.prepare_threshold = None
    with contextlib.closing(connection), session.telling(dsn):
        if create and schema.version(connection, name) == 0:
            schema.migrate(connection, schema=name)
            ctx.note(f"made the tables in schema {name} of database {connection.info.dbname}")
        schema.check(connection, name)
        yield connection


def who(ctx: Context) -> str:
    """Who gives this command, for the audit log: account@host."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as containers have
        account = "unknown"
    return f"{account}@{ctx.essentials.host}"
