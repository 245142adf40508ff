"""Reloads of a real fleet at work: no process is replaced without need, and no TIP suffers."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from noggin_mp.settings import object_types
from tests.support import fleet, hosts, reloads, truth, wait

WORK = ["--latency-ms", "40-60", "--missing", "0"]


@contextmanager
def at_work(
    folder: Path, dsn: str, *, tips: int, workers: int = 2
) -> Iterator[tuple[fleet.Site, fleet.Simulator]]:
    """A fleet in the middle of its work; every settle is counted, and nobody may have paid."""
    with fleet.simulator(folder, tips=tips, options=WORK) as api:
        site = fleet.Site(folder, dsn, api, fleet={"workers": workers, "threads": 2, "grace_s": 60})
        site.settings["api"].pop("token")
        token = folder / "token"
        token.write_text(api.token)
        token.chmod(0o600)
        site.settings["api"]["token_file"] = str(token)
        site.write()
        site.ok("import", str(folder / "export.csv"))
        with site.connect() as connection:
            connection.execute(truth.COUNT_SETTLES)
        with fleet.running(site) as process:
            reloads.running(site, workers)
            hosts.progress(site, 10)
            yield site, api
            process.terminate()
            assert process.wait(120) == 0, site.log[-4000:]
        assert hosts.charged(site) == []
        assert site.value("SELECT max(interruptions) FROM noggin_data") == 0
        assert site.value("SELECT count(*) FROM lease") == 0
        assert site.value("SELECT count(*) FROM settled") == hosts.done(site)


@pytest.mark.slow
def test_live_keys_are_applied_without_a_new_process(tmp_path: Path, migrated: str) -> None:
    with at_work(tmp_path, migrated, tips=2000) as (site, api):
        before = reloads.pids(site)
        threads = reloads.job_threads(before[0])
        site.settings["fleet"]["threads"] = 6
        site.settings["log"] = {"level": "warning"}
        site.settings["retry"]["max_attempts"] = 9
        site.settings["pacing"] = {"defaults": {"rate": "500/s"}}
        site.settings["breaker"]["defaults"]["fail_max"] = 7
        site.write()
        diff = json.loads(site.ok("config", "check", "--diff", "--json"))["diff"]
        told = json.loads(site.ok("config", "reload", "--json"))

        assert (told["ok"], told["outcome"], told["version"]) == (True, "applied", 2)
        changed = {"fleet.threads", "log.level", "retry.max_attempts", "pacing.defaults.rate",
                   "breaker.defaults.fail_max"}  # fmt: skip
        assert set(told["changed"]) == {one["key"] for one in diff["changes"]} == changed
        assert diff["does"] == "live"
        assert reloads.pids(site) == before
        wait.until(lambda: reloads.job_threads(before[0]) == threads + 4, what="six job threads")
        settled = site.log.count('"tip_settled"')
        hosts.progress(site, 5)
        assert site.log.count('"tip_settled"') == settled  # they are of level info
        site.settings["fleet"]["threads"] = 1
        site.write()
        assert reloads.hup(site)["outcome"] == "applied"
        wait.until(lambda: reloads.job_threads(before[0]) == threads - 1, what="one job thread")
        assert reloads.pids(site) == before
        _exchange_the_token(site, api)
        assert reloads.pids(site) == before


def _exchange_the_token(site: fleet.Site, api: fleet.Simulator) -> None:
    """A token that the API takes no longer, and one by reload that ends the stop."""
    api.control(body={"token": "second-token"})
    hosts.becomes(site, "", "auth_stop")
    site.settings["api"].pop("token_file")
    site.settings["api"]["token"] = "second-token"
    site.write()
    last = reloads.hup(site)
    assert (last["outcome"], last["changed"]) == ("applied", ["api.token", "api.token_file"])
    hosts.becomes(site, "", "closed")
    hosts.progress(site, 5)
    assert "second-token" not in (site.folder / "state" / "config.json").read_text()


@pytest.mark.slow
def test_rolled_keys_replace_one_worker_after_another(tmp_path: Path, migrated: str) -> None:
    with at_work(tmp_path, migrated, tips=2000, workers=3) as (site, _):
        before = reloads.running(site, 3)
        site.settings["paths"]["output"] = str(tmp_path / "second")
        site.write()
        os.kill(fleet.supervisor_file(site)["pid"], signal.SIGHUP)
        lowest = 3

        def over() -> bool:
            nonlocal lowest
            said = fleet.supervisor_file(site)
            at_work = sum(slot["state"] == "running" for slot in said["slots"])
            lowest = min(lowest, at_work)
            return bool((said["reload"]["last"] or {}).get("outcome"))

        wait.until(over, timeout_s=180, every_s=0.002, what="the end of the roll")
        after = reloads.running(site, 3)

        assert fleet.supervisor_file(site)["reload"]["last"]["outcome"] == "applied"
        assert lowest >= 2
        assert not set(before.values()) & set(after.values())
        second = tmp_path / "second"
        wait.until(lambda: next(second.rglob("*.txt"), None), what="a text in the new folder")
    texts = [len(list((tmp_path / name).rglob("*.txt"))) for name in ("output", "second")]
    assert min(texts) > 0
    assert sum(texts) == hosts.done(site)


@pytest.mark.slow
def test_object_types_are_those_of_the_last_reload_whatever_becomes_of_their_files(
    tmp_path: Path, migrated: str
) -> None:
    types = tmp_path / "types"
    shutil.copytree(object_types.default_folder(), types)
    with at_work(tmp_path, migrated, tips=600) as (site, _):
        site.settings["object_types"] = str(types)
        site.write()
        assert reloads.hup(site)["outcome"] == "applied"
        before = reloads.running(site, 2)
        good = (types / "so.yaml").read_text()
        (types / "so.yaml").write_text(f"{good}fields: [\n")

        last = reloads.hup(site)
        assert last["outcome"] == "invalid"
        assert last["error"].startswith(f"{types}/so.yaml:{good.count(chr(10)) + 2}:1: ")
        assert site.run("config", "check").returncode == 3
        os.kill(before[0], signal.SIGKILL)
        wait.until(
            lambda: fleet.workers(site).get(0, before[0]) != before[0],
            what="a successor",
        )
        after = reloads.running(site, 2)
        hosts.progress(site, 5)

        (types / "so.yaml").write_text(good.replace("name: ", "name: Our "))
        last = reloads.hup(site)
        assert (last["outcome"], last["changed"]) == ("applied", ["object_types.files"])
        assert not set(after.values()) & set(reloads.running(site, 2).values())
        assert reloads.hup(site)["outcome"] == "unchanged"
