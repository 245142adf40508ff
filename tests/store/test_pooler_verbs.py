"""Every verb that needs sessions says so behind a pooler that shares them, and works otherwise."""

from pathlib import Path

import pytest

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
