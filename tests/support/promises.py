"""Trials of what is promised of a fleet whose processes die: how long each took, in seconds."""

import os
import signal
import time
from typing import Any

from tests.support import fleet, wait

LOG_LEASES = """
CREATE TABLE lease_log (
    slot int, boot bigint, tips text[], at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION log_leases() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO noggin_schema.lease_log (slot, boot, tips) VALUES (NEW.slot, NEW.boot, NEW.tips);
    RETURN NULL;
END $$;
CREATE TRIGGER log_leases AFTER INSERT ON lease FOR EACH ROW EXECUTE FUNCTION log_leases();
"""

AGAIN = """
UPDATE noggin_data SET processing_status = 'pending', retry_count = 0, next_retry_at = NULL
WHERE processing_status IN ('complete', 'not_found')
"""


def settle_in(site: fleet.Site, workers: int) -> None:
    """Wait until each of the living workers has leased something."""

    def at_work() -> bool:
        with site.connect() as connection:
            rows = connection.execute(
                "SELECT DISTINCT w.slot, w.pid FROM lease l JOIN fleet_workers w USING (slot, boot)"
            ).fetchall()
        living = fleet.workers(site)
        return len(living) == workers and living.items() <= dict(rows).items()

    wait.until(at_work, timeout_s=120, what=f"{workers} workers at work")


def replaced(site: fleet.Site, slot: int, how: signal.Signals, *, timeout_s: float) -> Any:
    """From a signal to the slot's worker until its successor leases, and its TIPs are leased again.

    Without TIPs whose worker died before: they are suspects now, and wait to be leased alone. The
    first is None when the slot's next lease came from nobody new: never, but for a fault.
    """
    pid = fleet.workers(site)[slot]
    with site.connect() as connection:
        row = connection.execute(
            "SELECT max(boot) FROM fleet_workers WHERE slot = %s", (slot,)
        ).fetchone()
        assert row is not None
        boot = row[0]
        began = connection.execute("SELECT clock_timestamp()").fetchone()
        assert began is not None
        os.kill(pid, how)
        held = connection.execute(
            "SELECT coalesce(array_agg(d.tip), '{}') FROM lease l, unnest(l.tips) AS t (tip)"
            " JOIN noggin_data d USING (tip) WHERE l.slot = %s AND l.boot = %s"
            " AND d.processing_status NOT IN ('complete', 'not_found') AND d.interruptions = 0",
            (slot, boot),
        ).fetchone()
        assert held is not None

        def answer() -> Any:
            return connection.execute(
                "SELECT extract(epoch FROM (SELECT min(at) FROM lease_log WHERE slot = %(slot)s"
                " AND boot > %(boot)s) - %(began)s)::float8,"
                " (SELECT coalesce(extract(epoch FROM max(again) - %(began)s), 0)::float8 FROM"
                "  (SELECT min(at) AS again FROM lease_log, unnest(tips) AS t (tip)"
                "   WHERE at > %(began)s AND tip = ANY (%(tips)s) GROUP BY tip) AS each_tip),"
                " (SELECT count(DISTINCT tip) FROM lease_log, unnest(tips) AS t (tip)"
                "  WHERE at > %(began)s AND tip = ANY (%(tips)s))",
                {"slot": slot, "boot": boot, "began": began[0], "tips": held[0]},
            ).fetchone()

        wait.until(
            lambda: (found := answer())[0] is not None and found[2] == len(held[0]),
            timeout_s=timeout_s,
            what=f"slot {slot} leases again, and its {len(held[0])} TIPs are leased again",
        )
        found = answer()
    return found[0], found[1], len(held[0])


def stopped_s(site: fleet.Site, process: Any, *, timeout_s: float) -> float:
    """From TERM to the end of the supervisor; nobody of ours is left then."""
    children = list(fleet.workers(site).values())
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout_s)
    took = time.monotonic() - began
    assert code == 0, site.log[-2000:]
    assert not [pid for pid in children if fleet.alive(pid)]
    return took


def orphaned_s(site: fleet.Site, process: Any, *, timeout_s: float) -> float:
    """From the supervisor's SIGKILL to the end of its last child."""
    said = fleet.supervisor_file(site)
    children = [*fleet.workers(site).values(), said["monitor"]["pid"]]
    began = time.monotonic()
    process.kill()
    for pid in children:
        fleet.gone(pid, timeout_s=timeout_s)
    took = time.monotonic() - began
    process.wait()
    return took
