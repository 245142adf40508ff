"""Two real hosts on one database: scaled, reloaded and drained from a desk, through the tables."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support import fleet, hosts, wait

WORK = ["--types", "TA", "--latency-ms", "500", "--missing", "0"]


def outcomes(done: Any) -> dict[str, tuple[str, bool]]:
    found = json.loads(done.stdout)["hosts"]
    return {one["host"]: (one["outcome"], one["ok"]) for one in found}


def overview(site: fleet.Site) -> dict[str, dict[str, Any]]:
    found = json.loads(site.ok("fleet", "status", "--json"))["hosts"]
    return {one["host"]: one for one in found}


@pytest.mark.slow
def test_hosts_are_scaled_reloaded_and_drained_from_a_desk(tmp_path: Path, migrated: str) -> None:
    with fleet.simulator(tmp_path, tips=2500, options=WORK) as api:
        ann, bob = (hosts.site(tmp_path, migrated, api, name) for name in ("ann", "bob"))
        desk = hosts.site(tmp_path, migrated, api, "desk")
        desk.ok("import", str(tmp_path / "export.csv"))
        with fleet.running(ann), fleet.running(bob) as supervisor:
            hosts.until(lambda: hosts.beating(desk) == 4, timeout_s=120, what="all beat")
            _scale(desk, ann)
            _reload(desk, ann, bob)
            _drain(desk, bob)
            assert supervisor.wait(60) == 0
            wait.until(lambda: not fleet.ours(bob.folder), what="nobody of bob's is left")
            hosts.progress(desk, 30)
            wait.until(lambda: overview(desk)["ann"]["leader"] is True, what="ann leads")
        assert hosts.charged(desk) == []
        asked = "SELECT array_agg(action ORDER BY audit_id) FROM audit_log WHERE action LIKE 'fl%'"
        assert desk.value(asked) == ["fleet scale", "fleet reload", "fleet drain"]


def _scale(desk: fleet.Site, ann: fleet.Site) -> None:
    done = desk.run("fleet", "scale", "3", "--host", "ann", "--timeout", "300", "--json")
    assert (done.returncode, outcomes(done)) == (0, {"ann": ("scaled", True)}), done
    wait.until(lambda: len(fleet.workers(ann)) == 3, what="three workers")

    def sizes() -> list[tuple[int, int]]:
        return [(one["workers"], one["wanted"]) for one in overview(desk).values()]

    wait.until(lambda: sizes() == [(3, 3), (2, 2)], what="the hosts' next beats tell it")


def _reload(desk: fleet.Site, ann: fleet.Site, bob: fleet.Site) -> None:
    """Each host reads its own file: one is good, and takes its size back; one is not."""
    bob.config.write_text(json.dumps({**bob.settings, "fleet": {"host": "bob", "workers": "many"}}))
    done = desk.run("fleet", "reload", "--all", "--timeout", "300", "--json")
    found = outcomes(done)
    assert done.returncode == 1, done
    assert found["ann"][1] is True
    assert found["bob"] == ("invalid", False)
    [detail] = [one["detail"] for one in json.loads(done.stdout)["hosts"] if one["host"] == "bob"]
    assert "fleet.workers" in detail
    bob.write()
    hosts.until(lambda: hosts.beating(desk) == 4, timeout_s=120, what="the file's workers")
    wait.until(
        lambda: "fleet.workers" in (overview(desk)["bob"]["config_error"] or ""),
        what="the host's next beat tells it",
    )


def _drain(desk: fleet.Site, bob: fleet.Site) -> None:
    """A monitor that is killed on the way changes nothing: its successor brings the answer."""
    monitor = int(fleet.supervisor_file(bob)["monitor"]["pid"])
    os.kill(monitor, signal.SIGKILL)
    done = desk.run(
        "fleet", "drain", "--host", "bob", "--reason", "disk", "--timeout", "300", "--json"
    )
    assert (done.returncode, outcomes(done)) == (0, {"bob": ("drained", True)}), done
    wait.until(lambda: overview(desk)["bob"]["state"] == "stopped", what="bob's last beat")
