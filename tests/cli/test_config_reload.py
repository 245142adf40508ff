"""`config reload`, `config check --diff`, and `status` beside a fleet, also with a broken file."""

import json
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.supervisor import running
from tests.support import fleet, reloads


def error(site: fleet.Site, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the error of a verb that fails."""
    done = site.run(*words, "--json")
    told: dict[str, Any] = json.loads(done.stdout)["error"]
    return done.returncode, told


@pytest.mark.slow
def test_a_running_fleet_is_asked_and_tells_how_the_reload_ended(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=1) as api:
        site = fleet.Site(tmp_path, migrated, api, fleet={"workers": 1, "threads": 1})
        code, told = error(site, "config", "reload")
        assert (code, told["code"]) == (1, "not_running")
        with fleet.running(site, "--threads", "2"):
            reloads.running(site, 1, timeout_s=180)
            assert running.texts(site.config)
            _broken(site)
            _live(site)
            _fixed(site)
            assert site.ok("config", "reload", "--no-wait").startswith("process ")
        site.config.write_text("fleet: {\n")
        assert error(site, "status")[0] == 3  # nobody runs who could know better
        assert running._state_folder(site.config) is None


def _broken(site: fleet.Site) -> None:
    site.config.write_text("fleet: {workers: 0}\n")
    place = f"{site.config}:1:18: fleet.workers must be at least 1 (0)"
    code, told = error(site, "config", "reload")
    assert (code, told["code"]) == (3, "config.invalid")
    assert place in told["message"]
    site.config.write_text("fleet: {\n")
    code, told = error(site, "config", "reload")
    assert code == 3
    assert f"{site.config}:2:1: is not valid YAML" in told["message"]

    status = site.status()
    assert f"{site.config}:2:1" in status["configuration_on_disk"]
    assert f"{site.config}:2:1" in status["supervisor"]["config_error"]
    assert status["supervisor"]["config_version"] == 1
    assert len(status["workers"]) == 1
    assert "the configuration on disk is broken" in site.ok("status")
    health = json.loads(site.run("health", "--json").stdout)
    assert "config.invalid" in {one["code"] for one in health["notes"]}
    assert error(site, "config", "check")[0] == 3


def _live(site: fleet.Site) -> None:
    site.settings["fleet"]["grace_s"] = 9
    site.settings["fleet"]["threads"] = 7  # the fleet's own --threads 2 stands
    site.write()
    assert site.ok("config", "check", "--diff").splitlines()[-2:] == [
        "a reload would apply this in place, without replacing a process:",
        "  fleet.grace_s: 30 -> 9  [live]",
    ]
    assert site.ok("config", "reload") == "applied as version 2: fleet.grace_s\n"
    assert site.ok("config", "reload").startswith("nothing has changed")
    assert site.status()["supervisor"]["config_error"] is None
    assert "change nothing" in site.ok("config", "check", "--diff")


def _fixed(site: fleet.Site) -> None:
    site.settings["monitor"]["bind"] = "127.0.0.1:1"
    site.write()
    assert json.loads(site.ok("config", "check", "--diff", "--json"))["diff"]["does"] == "restart"
    assert "would be REFUSED" in site.ok("config", "check", "--diff")
    code, told = error(site, "config", "reload")
    assert code == 3
    assert "monitor.bind cannot change" in told["message"]
    assert "restart the service" in told["message"]
    site.settings["monitor"]["bind"] = "off"
    site.write()
