"""Who works where: slots, their locks and heartbeats, as rows that every host can see."""

import contextlib
import datetime
from collections.abc import Iterator
from typing import Final

from noggin_mp.domain import errors
from noggin_mp.store import queue, session, statements

ONE_OFF_SLOTS: Final = 10_000
"""`run --tip` takes slots from here on; fleets and lone workers stay below."""
_ALIVE_S: Final = 10
"""A worker that has not beaten for so long is taken for gone."""
_LEADER: Final = "noggin leader "
_KNOWS_IDLE_SESSIONS: Final = 14_00_00


def claim_slot(connection: session.Connection, *, holder: queue.Holder) -> bool:
    """True when this session now holds the slot's advisory lock; it goes with the session."""
    return _try_lock(connection, _slot_key(holder))


@contextlib.contextmanager
def slot_lock(connection: session.Connection, *, holder: queue.Holder) -> Iterator[bool]:
    """Hold the slot's advisory lock for a moment, if nobody has it: True inside when we do."""
    claimed = claim_slot(connection, holder=holder)
    try:
        yield claimed
    finally:
        if claimed:
            connection.execute(
                "SELECT pg_advisory_unlock(hashtextextended(%s || current_schema(), 0))",
                (_slot_key(holder),),
            )


def slots_with_leases(
    connection: session.Connection, *, host: str, instance: str
) -> list[tuple[int, int | None]]:
    """The slots of this installation that hold leases, each with its last tenant's pid."""
    return connection.execute(
        "SELECT DISTINCT l.slot, w.pid FROM lease l LEFT JOIN fleet_workers w"
        " ON w.host = l.host AND w.slot = l.slot"
        " WHERE l.host = %s AND l.instance = %s",
        (host, instance),
    ).fetchall()


def _slot_key(holder: queue.Holder) -> str:
    return f"noggin slot {holder.host}/{holder.slot} "


def refuse_second_instance(connection: session.Connection, *, holder: queue.Holder) -> None:
    """Nothing, unless another installation is at work under the same host name.

    Raises: AlreadyRunning naming the other instance.
    """
    row = connection.execute(
        "SELECT instance, pid FROM fleet_workers WHERE host = %s AND instance <> %s"
        " AND state <> 'stopped' AND heartbeat_at > clock_timestamp() - make_interval(secs => %s)"
        " LIMIT 1",
        (holder.host, holder.instance, _ALIVE_S),
    ).fetchone()
    if row is not None:
        raise errors.AlreadyRunning(
            f"another installation (instance {row[0]}, pid {row[1]}) works on this database"
            f" under the host name {holder.host!r}",
            remedy="give each installation its own fleet.host, or stop the other one",
        )


def tenant(connection: session.Connection, *, holder: queue.Holder) -> int | None:
    """The process id of the worker last registered in the holder's slot."""
    row = connection.execute(
        "SELECT pid FROM fleet_workers WHERE host = %s AND slot = %s", (holder.host, holder.slot)
    ).fetchone()
    return row[0] if row else None


def register(
    connection: session.Connection, *, holder: queue.Holder, pid: int, version: str
) -> None:
    """Write the host down, and the slot with its new tenant."""
    connection.execute(
        "INSERT INTO fleet_hosts (host, instance, version) VALUES (%s, %s, %s)"
        " ON CONFLICT (host) DO UPDATE SET instance = excluded.instance,"
        " version = excluded.version, heartbeat_at = clock_timestamp(),"
        " stopped_at = CASE WHEN %s THEN fleet_hosts.stopped_at END",
        (holder.host, holder.instance, version, holder.slot >= ONE_OFF_SLOTS),
    )
    connection.execute(
        "INSERT INTO fleet_workers (host, slot, instance, boot, pid, state)"
        " VALUES (%s, %s, %s, %s, %s, 'running') ON CONFLICT (host, slot) DO UPDATE SET"
        " instance = excluded.instance, boot = excluded.boot, pid = excluded.pid,"
        " state = 'running',"
        " busy = 0, tip = NULL, started_at = clock_timestamp(), heartbeat_at = clock_timestamp()",
        (holder.host, holder.slot, holder.instance, holder.boot, pid),
    )


def sign_off(connection: session.Connection, *, holder: queue.Holder) -> None:
    """Mark the slot stopped, unless a newer tenant has it already; a one-off leaves no trace."""
    if holder.slot >= ONE_OFF_SLOTS:
        connection.execute(
            "DELETE FROM fleet_workers WHERE host = %s AND slot = %s AND boot = %s",
            (holder.host, holder.slot, holder.boot),
        )
        return
    connection.execute(
        "UPDATE fleet_workers SET state = 'stopped', busy = 0, tip = NULL,"
        " heartbeat_at = clock_timestamp() WHERE host = %s AND slot = %s AND boot = %s",
        (holder.host, holder.slot, holder.boot),
    )


def claim_host(connection: session.Connection, *, host: str) -> bool:
    """True when this session is now the one monitor of the host; it goes with the session."""
    return _try_lock(connection, f"noggin host {host} ")


def last_beat(connection: session.Connection, *, host: str) -> datetime.datetime | None:
    """When the host's monitor beat last, by the database's clock; None when it never did."""
    row = connection.execute(
        "SELECT heartbeat_at FROM fleet_hosts WHERE host = %s", (host,)
    ).fetchone()
    return row[0] if row else None


def sign_off_host(connection: session.Connection, *, host: str, instance: str) -> None:
    """The host's monitor ends: it leads no more, and unless a worker beats, the host is stopped."""
    connection.execute(
        "UPDATE fleet_hosts SET stopped_at = clock_timestamp(), leader = false"
        " WHERE host = %s AND instance = %s",
        (host, instance),
    )


def states(connection: session.Connection) -> dict[str, tuple[str, float]]:
    """Each host's state (up, draining, silent, gone, stopped) and for how many seconds silent."""
    rows = connection.execute(statements.statement("fleet_host_states")).fetchall()
    return {host: (state, silent_s) for host, state, silent_s in rows}


def lead(connection: session.Connection) -> bool:
    """True when this session holds the leader's lock; ask until it does, then `leads`."""
    return _try_lock(connection, _LEADER)


def leads(connection: session.Connection) -> bool:
    """True while this session still holds the leader's lock."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM pg_locks, hashtextextended(%s || current_schema(), 0) AS key"
        " WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted AND objsubid = 1"
        " AND classid = ((key >> 32) & 4294967295)::oid AND objid = (key & 4294967295)::oid)",
        (_LEADER,),
    ).fetchone()
    return bool(row and row[0])


def show_leader(connection: session.Connection, *, host: str) -> None:
    """Mark the host as the only leader; whoever led before may not have said that it is over."""
    connection.execute(
        "UPDATE fleet_hosts SET leader = (host = %(host)s) WHERE leader <> (host = %(host)s)",
        {"host": host},
    )


def end_when_idle(connection: session.Connection, *, seconds: float) -> None:
    """Have the server end this session, and its locks, when it says nothing for so long.

    A process that is frozen keeps its connection alive for ever: its kernel answers for it.
    Source: idle_session_timeout, of Postgres 14 and later.
    """
    if connection.info.server_version >= _KNOWS_IDLE_SESSIONS:
        connection.execute(
            "SELECT set_config('idle_session_timeout', %s, false)", (str(round(seconds * 1000)),)
        )


def _try_lock(connection: session.Connection, name: str) -> bool:
    row = connection.execute(
        "SELECT pg_try_advisory_lock(hashtextextended(%s || current_schema(), 0))", (name,)
    ).fetchone()
    assert row is not None
    return bool(row[0])
