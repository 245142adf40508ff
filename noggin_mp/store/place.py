"""How a long-running process of ours reaches the database: its sessions, listener and pool."""

import weakref
from dataclasses import dataclass
from typing import Final

from noggin_mp.store import breaker, pooler, queue, schema, session

_PATIENCE_S: Final = 30.0
_STATEMENT_TIMEOUT_S: Final = _PATIENCE_S


def patience_s(watchdog_s: float) -> float:
    """How long a main loop may wait for the database: well below the watchdog, or it looks hung."""
    return max(1.0, min(_PATIENCE_S, watchdog_s / 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the database is; `application_name` is what pg_stat_activity shows.

    `patience_s`: how long a use of the pool waits for a session, and then for an answer.
    """

    dsn: str
    schema_name: str
    application_name: str
    patience_s: float = _PATIENCE_S

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
            connect_timeout_s=self._connect_timeout_s,
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
        """A pool of sessions that plan each statement anew, as the queue's size swings.

        Another `timeout` of it holds for answers as well, from a session's next use on.
        """
        set_to: weakref.WeakKeyDictionary[session.Connection, float] = weakref.WeakKeyDictionary()

        def bound(connection: session.Connection) -> None:
            if set_to.get(connection, self.patience_s) != pool.timeout:
                set_to[connection] = pool.timeout
                connection.execute(f"SET statement_timeout = {pool.timeout * 1000:.0f}".encode())

        pool = session.open_pool(
            self.dsn,
            schema=self.schema_name,
            application_name=self.application_name,
            max_size=max_size,
            statement_timeout_s=self.patience_s,
            timeout_s=self.patience_s,
            force_custom_plan=True,
            connect_timeout_s=self._connect_timeout_s,
            # Whoever uses it copes with a broken session: a round trip for each use is dear.
            lent=bound,
        )
        return pool

    @property
    def _connect_timeout_s(self) -> int:
        """Source: libpq takes 1 for 2."""
        return max(2, min(session.CONNECT_TIMEOUT_S, int(self.patience_s)))
