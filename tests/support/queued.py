"""TIPs added, leased and counted by the tests of the queue."""

import uuid

import psycopg

from noggin_mp.store import queue

HOLDER = queue.Holder(host="h", slot=0, instance=str(uuid.uuid4()), boot=1)
LCD = "Load Compliance Check (Driver/Loader)"


def add(conn: psycopg.Connection, *tips: str, status: str = "pending") -> None:
    """Rows as an import makes them, in this order."""
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO noggin_data (tip, object_type, processing_status) VALUES (%s, %s, %s)",
            [(tip, LCD, status) for tip in tips],
        )


def take(
    conn: psycopg.Connection, k: int = 100, *, alone: bool = False, **holder: object
) -> queue.Batch:
    """A lease of at most `k` TIPs, by the first worker's slot unless `holder` says otherwise."""
    cursor = queue.Cursor([queue.SUSPECTS] if alone else queue.PRIORITIES)
    who = queue.Holder(**{"host": "h", "slot": 0, "instance": HOLDER.instance, "boot": 1, **holder})
    return queue.lease(conn, holder=who, cursor=cursor, k=k, lease_s=60)


def tips(batch: queue.Batch) -> list[str]:
    """The TIPs of a batch, in its order."""
    return [item.tip for item in batch.items]


def live(conn: psycopg.Connection) -> dict[str, int]:
    """How many live entries each TIP has, over ready, later and lease: never more than one."""
    rows = conn.execute(
        "SELECT d.tip, count(e.tip) FROM noggin_data d LEFT JOIN ("
        " SELECT tip, gen FROM ready UNION ALL SELECT tip, gen FROM later"
        " UNION ALL SELECT unnest(tips), unnest(gens) FROM lease) e"
        " ON e.tip = d.tip AND e.gen = d.gen GROUP BY d.tip"
    ).fetchall()
    return {row[0]: row[1] for row in rows}


def expire(conn: psycopg.Connection) -> None:
    """Let every lease be a second too old."""
    conn.execute("UPDATE lease SET lease_until = clock_timestamp() - interval '1 s'")
