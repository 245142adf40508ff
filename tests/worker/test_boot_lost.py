"""A database that goes while a worker starts, or takes no writes: its fault, and no bug of ours."""

from pathlib import Path

from noggin_mp.store import session
from tests.support.newcomer import Newcomer

# Whoever signs a worker in loses the session at that moment, as in a failover.
CUT_OFF = """
CREATE FUNCTION cut_off() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_terminate_backend(pg_backend_pid());
    RETURN NEW;
END $$;
CREATE TRIGGER cut_off BEFORE INSERT ON fleet_workers FOR EACH ROW EXECUTE FUNCTION cut_off();
"""


def test_worker_says_that_the_database_is_away_when_it_goes_while_it_starts(
    tmp_path: Path, migrated: str, conn: session.Connection
) -> None:
    conn.execute(CUT_OFF)

    done = Newcomer(tmp_path, migrated).run("worker", "--slot", "0")

    assert done.returncode == 5, done
    assert "refused us or is down: terminating connection due to admin" in done.stderr
    assert "Traceback" not in done.stderr


def test_worker_says_that_the_database_takes_no_writes_when_it_is_a_standby(
    tmp_path: Path, migrated: str, conn: session.Connection
) -> None:
    conn.execute(
        f"ALTER DATABASE {conn.info.dbname} SET default_transaction_read_only = on".encode()
    )

    done = Newcomer(tmp_path, migrated).run("worker", "--slot", "0")

    assert done.returncode == 5, done
    assert "in a read-only transaction; point database.dsn at the primary" in done.stderr
    assert "Traceback" not in done.stderr
