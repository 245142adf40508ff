"""Three hosts behind PgBouncer in session mode: one leads, all hear, answer and survive."""

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from tests.support import fleet, hosts, truth, wait
from tests.support.pooler import needs_pgbouncer, pooled

WORK = ["--types", "TA", "--latency-ms", "50", "--missing", "0"]
TIPS = 300
# Room for the sessions of all, and a dead client is noticed as fast as without a pooler.
ROOM = """default_pool_size = 60
tcp_keepalive = 1
tcp_keepidle = 2
tcp_keepintvl = 1
tcp_keepcnt = 3
tcp_user_timeout = 5000"""


@pytest.mark.slow
@needs_pgbouncer
def test_three_hosts_work_as_one_fleet_when_a_pooler_keeps_their_sessions(
    tmp_path: Path, migrated: str
) -> None:
    with (
        pooled(migrated, "session", ROOM) as dsn,
        fleet.simulator(tmp_path, tips=TIPS, options=WORK) as api,
    ):
        small = {"fleet": {"workers": 1, "threads": 4}, "queue": {"lease_s": 12}}
        sites = [hosts.site(tmp_path, dsn, api, name, **small) for name in ("ann", "bob", "cyd")]
        desk = hosts.site(tmp_path, migrated, api, "desk")
        desk.ok("import", str(tmp_path / "export.csv"))
        with desk.connect() as connection:
            connection.execute(truth.COUNT_SETTLES)
        with contextlib.ExitStack() as stack:
            for site in sites:
                stack.enter_context(fleet.running(site))
            hosts.until(lambda: hosts.beating(desk) == len(sites), timeout_s=120, what="all beat")
            hosts.progress(desk, 10)
            _kill_leader(desk, sites)
            answers = json.loads(desk.run("fleet", "reload", "--all", "--json").stdout)["hosts"]
            assert sum(one["ok"] for one in answers) >= 2
            hosts.until(lambda: hosts.done(desk) == TIPS, timeout_s=240, what="all is done")
        twice = "SELECT count(*) FROM (SELECT FROM settled GROUP BY tip HAVING count(*) > 1) AS t"
        assert (desk.value(twice), hosts.charged(desk)) == (0, [])


def _kill_leader(desk: fleet.Site, sites: list[fleet.Site]) -> None:
    """The leader's host dies; another leads, as soon as the pooler has given up its sessions."""
    leaders = "SELECT host FROM fleet_overview WHERE leader"
    leader = hosts.until(lambda: desk.value(leaders), what="somebody leads")
    [site] = [one for one in sites if one.folder.name == leader]
    os.kill(int(fleet.supervisor_file(site)["pid"]), signal.SIGKILL)
    wait.until(lambda: not fleet.ours(site.folder), what="its children end with it")
    hosts.until(
        lambda: desk.value(leaders) not in (None, leader), timeout_s=120, what="another one leads"
    )
