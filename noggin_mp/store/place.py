"""How a long-running process of ours reaches the database: its sessions, listener and pool."""

from dataclasses import dataclass
from typing import Final

from noggin_mp.store import breaker, pooler, queue, schema, session

_STATEMENT_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the database is; `application_name` is what pg_stat_activity shows."""

    dsn: str
    schema_name: str
    application_name: str

    def connect(
        self, purpose: str = "", *, statement_timeout_s: float = _STATEMENT_TIMEOUT_S
    ) -> session.Connection:
        """A session of its own. Raises: DatabaseUnreachable."""
        name = f"{self.application_name}/{purpose}" if purpose else self.application_name
        return session.connect(
            self.dsn,
            schema=self.schema_name,
            application_name=name,
            statement_timeout_s=statement_timeout_s,
        )

    def checked(self, purpose: str = "") -> session.Connection:
        """A session on a database that this program can work with.

        Raises: DatabaseUnreachable, SchemaError, ConfigError (a pooler in transaction mode).
        """
        connection = self.connect(purpose)
        try:
            pooler.check(connection)
            schema.check(connection, self.schema_name)
        except BaseException:
            connection.close()
            raise
        return connection

    def listen(self) -> session.Connection:
        """A session that hears the queue's and the breaker's notices. Raises: as `checked`."""
        connection = self.checked("listen")
        for channel in (queue.CHANNEL, breaker.CHANNEL):
            connection.execute(f"LISTEN {channel}".encode())
        return connection

    def pool(self, max_size: int = 3) -> session.Pool:
        """A pool of sessions that plan each statement anew, as the queue's size swings."""
        return session.open_pool(
            self.dsn,
            schema=self.schema_name,
            application_name=self.application_name,
            max_size=max_size,
            statement_timeout_s=_STATEMENT_TIMEOUT_S,
            force_custom_plan=True,
            # Whoever uses it copes with a broken session: a round trip for each use is dear.
            checked=False,
        )
