"""Who works where: slots, their locks and heartbeats, as rows that every host can see."""

import contextlib
from collections.abc import Iterator
from typing import Final

from noggin_mp.domain import errors
from noggin_mp.store import queue, session

ONE_OFF_SLOTS: Final = 10_000
"""`run --tip` takes slots from here on; fleets and lone workers stay below."""
_ALIVE_S: Final = 10
"""A worker that has not beaten for so long is taken for gone."""


def claim_slot(connection: session.Connection, *, holder: queue.Holder) -> bool:
    """True when this session now holds the slot's advisory lock; it goes with the session."""
    row = connection.execute(
        "SELECT pg_try_advisory_lock(hashtextextended(%s || current_schema(), 0))",
        (_slot_key(holder),),
    ).fetchone()
    assert row is not None
    return bool(row[0])


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
        " version = excluded.version,"
        " heartbeat_at = clock_timestamp()",
        (holder.host, holder.instance, version),
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


def beat_host(connection: session.Connection, *, host: str, leader: bool) -> None:
    """The monitor's heartbeat: this host is alive, and whether it leads; only one can."""
    connection.execute(
        "UPDATE fleet_hosts SET heartbeat_at = clock_timestamp(), leader = %s WHERE host = %s",
        (leader, host),
    )
    if leader:  # whoever led before us may not have had the time to say that it is over
        connection.execute(
            "UPDATE fleet_hosts SET leader = false WHERE leader AND host <> %s", (host,)
        )


def lead(connection: session.Connection) -> bool:
    """True when this session holds the leader's lock; ask once per session."""
    row = connection.execute(
        "SELECT pg_try_advisory_lock(hashtextextended('noggin leader ' || current_schema(), 0))"
    ).fetchone()
    assert row is not None
    return bool(row[0])
