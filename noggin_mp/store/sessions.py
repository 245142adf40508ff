"""The table session_log: one row per run of a host, from its start to its exit code."""

from noggin_mp.store import session, statements


def begin(
    connection: session.Connection, *, host: str, name: str, instance: str, version: str
) -> None:
    """Write that a run has begun, once.

    `name` is that of its session file, `instance` the state folder's.
    A run of the same installation that never ended was killed: its row ends now, without a code.
    """
    connection.execute(
        statements.statement("session_begin"),
        {"host": host, "session": name, "instance": instance, "version": version},
    )


def finish(
    connection: session.Connection,
    *,
    host: str,
    name: str,
    instance: str,
    exit_code: int,
    reason: str,
) -> None:
    """Write how a run ended, and the TIPs its workers touched last, by status."""
    connection.execute(
        statements.statement("session_finish"),
        {
            "host": host,
            "session": name,
            "instance": instance,
            "exit_code": exit_code,
            "reason": reason,
        },
    )
