"""A TIP that kills its worker: found alone and charged, while its batch mates pay nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import fleet

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_fleet_isolates_and_buries_a_tip_that_kills_its_workers(
    tmp_path: Path, migrated: str
) -> None:
    options = ["--missing", "0", "--latency-ms", "30"]
    with fleet.simulator(tmp_path, tips=24, options=options) as api:
        site = fleet.Site(
            tmp_path, migrated, api,
            fleet={"workers": 2, "threads": 4},
            retry={"max_attempts": 2, "backoff_base_s": 0.1},
        )  # fmt: skip
        site.ok("import", str(tmp_path / "export.csv"))
        killer = site.value("SELECT tip FROM ready JOIN noggin_data USING (tip) ORDER BY seq"
                            " OFFSET 3 LIMIT 1")  # fmt: skip
        command = [sys.executable, "-m", "tests.support.killer_host", str(site.config), killer]
        with (tmp_path / "fleet.log").open("wb") as log:
            done = subprocess.run(
                command, cwd=ROOT, stdout=log, stderr=log, timeout=400, check=False
            )
        assert done.returncode == 1, site.log[-3000:]  # one TIP was buried
        with site.connect() as connection:
            rows = connection.execute(
                "SELECT tip = %s, processing_status, permanently_failed, retry_count, count(*)"
                " FROM noggin_data GROUP BY 1, 2, 3, 4 ORDER BY 1",
                (killer,),
            ).fetchall()
        assert rows == [(False, "complete", False, 0, 23), (True, "interrupted", True, 2, 1)]
        assert site.value("SELECT count(*) FROM lease") == 0
        # Twice among others, and then as often alone as it may be tried.
        assert site.log.count('"how": "signal 9"') == 4
