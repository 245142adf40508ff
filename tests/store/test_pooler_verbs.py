"""Every verb that needs sessions says so behind a pooler that shares them, and works otherwise."""

import uuid
from pathlib import Path

import psycopg
import pytest

from noggin_mp.store import requests, session
from tests.support import fleet, truth
from tests.support.newcomer import Newcomer
from tests.support.pooler import needs_pgbouncer, pooled


@needs_pgbouncer
@pytest.mark.parametrize("verb", [["worker", "--slot", "0"], ["monitor"]])
def test_verb_says_3_when_a_pooler_shares_sessions(
    tmp_path: Path, migrated: str, verb: list[str]
) -> None:
    newcomer = Newcomer(tmp_path, migrated)
    with pooled(migrated, "transaction") as dsn:
        newcomer.settings["database"]["dsn"] = dsn
        told = newcomer.refused(3, *verb)

    assert "LISTEN and session locks need a direct or session-pooled DSN" in told
    assert "point database.dsn at Postgres itself, or set pool_mode = session" in told


@needs_pgbouncer
@pytest.mark.parametrize("verb", ["status", "health", "fleet status", "tips list", "db status"])
def test_verb_names_the_fault_when_a_pooler_knows_no_transactions(
    tmp_path: Path, migrated: str, verb: str
) -> None:
    with pooled(migrated, "statement") as dsn:
        done = Newcomer(tmp_path, dsn).run(*verb.split())

    assert "the database is reached through a pooler in statement mode" in done.stdout + done.stderr
    assert done.returncode == (0 if verb == "db status" else 3)


@needs_pgbouncer
def test_verb_that_asks_again_and_again_works_when_a_pooler_shares_sessions(
    tmp_path: Path, migrated: str
) -> None:
    who = requests.Identity(host="a", instance=str(uuid.uuid4()), version="1", output="/o")
    with session.connect(migrated, schema="noggin_schema", application_name="host") as host:
        requests.present(host, who, facts={}, age_s=60)
        # A host without a beat for ten seconds is silent; a program may take as long to start.
        host.execute("UPDATE fleet_hosts SET heartbeat_at = heartbeat_at + interval '1 hour'")
    with pooled(migrated, "transaction", "server_round_robin = 1") as dsn:
        others = [psycopg.connect(dsn) for _ in range(3)]
        for other in others:
            other.execute("SELECT 1")  # each holds a server process of its own
        for other in others:
            other.rollback()
        done = Newcomer(tmp_path, dsn).run("fleet", "scale", "3", "--timeout", "4")
        for other in others:
            other.close()

    assert (done.returncode, "no answer yet; it will not obey later" in done.stdout) == (1, True)


@pytest.mark.slow
@needs_pgbouncer
def test_fleet_does_its_work_when_a_pooler_keeps_sessions(tmp_path: Path, migrated: str) -> None:
    with fleet.simulator(tmp_path, tips=10) as api, pooled(migrated, "session") as dsn:
        site = fleet.Site(tmp_path, dsn, api)
        site.ok("import", str(tmp_path / "export.csv"))
        direct = fleet.Site(tmp_path, migrated, api)
        with direct.connect() as connection:
            connection.execute(truth.COUNT_SETTLES)
        site.write()
        site.ok("run", "--until-drained", "--workers", "2", "--threads", "2")
        site.dsn = migrated  # a look from beside
        truth.check_done(site, tips=10)
