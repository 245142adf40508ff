"""Tokens that expire in mid-run, wrong ones and new ones; records that are forbidden."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support import fleet, hosts

WORK = ["--types", "TA", "--latency-ms", "60", "--missing", "0"]


class World:
    """Two hosts that read their token from files, at work."""

    def __init__(self, folder: Path, dsn: str, api: fleet.Simulator) -> None:
        self.api = api
        self.sites = []
        for name in ("ann", "bob"):
            site = hosts.site(folder, dsn, api, name)
            site.settings["api"]["token_file"] = str(site.folder / "token")
            del site.settings["api"]["token"]
            site.write()
            self.sites.append(site)
        self.site = self.sites[0]
        self.hand_out(api.token)

    def hand_out(self, token: str) -> None:
        """Put another token into every host's file."""
        for site in self.sites:
            fresh = site.folder / "token.new"
            fresh.write_text(token)
            fresh.replace(site.folder / "token")

    def expire(self, token: str) -> None:
        """From now on the API takes only this token; wait until everybody has stopped."""
        self.api.control(body={"token": token})
        hosts.becomes(self.site, "", "auth_stop")

    def asked_since(self, at_ns: int) -> list[dict[str, object]]:
        """The requests begun since then, two seconds on."""
        seen = time.monotonic()
        hosts.until(lambda: time.monotonic() > seen + 2)
        return self.api.log(since_ns=at_ns)


@pytest.mark.slow
def test_token_stops_the_fleet_when_it_expires_and_a_new_one_lets_it_go_on(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=3000, options=WORK) as api:
        world = World(tmp_path, migrated, api)
        world.site.ok("import", str(tmp_path / "export.csv"))
        with hosts.running(world.sites):
            hosts.progress(world.site, 60)
            _check_stop(world)
            _check_wrong_token(world)
            world.hand_out("second")
            hosts.becomes(world.site, "", "closed")
            hosts.progress(world.site, 60)
            world.expire("fourth")
            world.hand_out("fourth")
            for supervisor in (fleet.supervisor_file(site) for site in world.sites):
                os.kill(int(supervisor["pid"]), signal.SIGHUP)
            hosts.becomes(world.site, "", "closed")
            hosts.progress(world.site, 60)
    assert hosts.charged(world.site) == []


def _check_stop(world: World) -> None:
    begun_ns = time.monotonic_ns()
    world.expire("second")
    stopped = hosts.event(world.site, "auth_stop")
    refused = [one for one in world.asked_since(begun_ns) if one["status"] == 401]
    late = [one for one in refused if int(str(one["start_ns"])) > stopped["at_ns"]]
    print(f"{len(refused)} requests were refused, {len(late)} of them begun after the stop")
    assert 1 <= len(refused) <= 16  # what was in flight
    assert hosts.charged(world.site) == []
    shown = world.site.status()
    assert {"scope": "127.0.0.1", "state": "auth_stop"}.items() <= shown["breakers"][0].items()
    judged = world.site.run("health", "--json")
    assert judged.returncode == 1
    assert "breaker.auth_stop" in judged.stdout


def _check_wrong_token(world: World) -> None:
    """A wrong one costs exactly one request: for the TIP that was completed last."""
    hosts.until(lambda: world.site.value("SELECT count(*) FROM lease") == 0, what="all is settled")
    last = world.site.value(
        "SELECT tip FROM noggin_data WHERE processing_status = 'complete'"
        " ORDER BY updated_at DESC LIMIT 1"
    )
    before, at_ns = hosts.event(world.site, "auth_stop")["id"], time.monotonic_ns()
    world.hand_out("third")
    hosts.until(lambda: hosts.event(world.site, "auth_stop")["id"] > before)
    assert [(one["tip"], one["status"]) for one in world.asked_since(at_ns)] == [(last, 401)]
    assert hosts.state(world.site, "") == "auth_stop"


def test_auth_stop_simply_clears_when_there_is_nothing_to_try_a_new_token_on(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=1, options=WORK) as api:
        site = hosts.site(tmp_path, migrated, api, "ann")
        with hosts.running([site]):
            site.value("SELECT breaker_auth_stop('127.0.0.1', 'x', 0, 'old', 't', 'http_401')")
            hosts.becomes(site, "", "closed")
            assert hosts.event(site, "close")["details"]["reason"].startswith("there is nothing")
        assert api.log() == []


def test_run_until_drained_goes_on_when_the_token_was_replaced_since_the_stop(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=12, options=WORK) as api:
        site = hosts.site(tmp_path, migrated, api, "ann")
        site.ok("import", str(tmp_path / "export.csv"))
        api.control(body={"token": "other"})
        assert site.run("run", "--until-drained").returncode == 4
        site.settings["api"]["token"] = "other"
        site.write()
        site.ok("run", "--until-drained")
    assert hosts.done(site) == 12
    assert hosts.charged(site) == []


def _two_types(folder: Path, dsn: str, api: fleet.Simulator) -> fleet.Site:
    """A site whose forklift records are complete, and whose trailer records wait for a word."""
    site = hosts.site(folder, dsn, api, "ann")
    site.ok("import", str(folder / "export.csv"))
    skip = "UPDATE noggin_data SET processing_status = 'skipped' WHERE object_code = 'TA'"
    with site.connect() as connection:
        connection.execute(skip)
    site.ok("run", "--until-drained")
    assert hosts.done(site) > 0
    return site


@pytest.mark.parametrize("whose", ["token", "records"])
def test_forbidden_records_in_a_row_are_checked_with_a_known_good_one(
    tmp_path: Path, migrated: str, whose: str
) -> None:
    options = ["--types", "TA,FPI", "--latency-ms", "30", "--missing", "0"]
    with fleet.simulator(tmp_path, tips=60, options=options) as api:
        site = _two_types(tmp_path, migrated, api)
        match = {"path": "trailerAudits"} if whose == "records" else {}
        api.control(body={"mode": "403", "match": match})
        with site.connect() as connection:
            connection.execute(
                "UPDATE noggin_data SET processing_status = 'pending'"
                " WHERE processing_status = 'skipped'"
            )
        at_ns = time.monotonic_ns()
        with hosts.running([site]):
            hosts.until(lambda: hosts.event(site, "auth_stop"))
            if whose == "token":
                _check_taken_for_refused(site, api, at_ns)
            else:
                _check_charged(site, api, at_ns)


def _check_taken_for_refused(site: fleet.Site, api: fleet.Simulator, at_ns: int) -> None:
    hosts.until(lambda: hosts.event(site, "auth_stop")["details"].get("result") == "refused")
    asked = api.log(since_ns=at_ns)  # at once: now and then it is tried again
    known = [one for one in asked if "forkliftPrestart" in one["path"]]
    assert len(known) == 1
    hosts.becomes(site, "", "auth_stop")
    assert "http_403" in site.run("health", "--json").stdout
    charged = hosts.charged(site)
    print(f"{len(asked)} requests were forbidden, {len(charged)} TIPs paid before it was clear")
    assert len(charged) <= 4
    api.control(body={"mode": "ok"})
    site.ok("breaker", "close", "127.0.0.1", "--reason", "rights are back")
    hosts.progress(site, 10)


def _check_charged(site: fleet.Site, api: fleet.Simulator, at_ns: int) -> None:
    hosts.until(lambda: hosts.event(site, "close"))
    trailers = site.value("SELECT count(*) FROM noggin_data WHERE object_code = 'TA'")
    hosts.until(lambda: len(hosts.charged(site)) == trailers, what="each record pays for itself")
    again_ns = hosts.event(site, "close")["at_ns"] + 55 * 10**9  # a minute later it may be doubted
    known = [one for one in api.log(since_ns=at_ns) if "forkliftPrestart" in one["path"]]
    assert [one["status"] for one in known if one["start_ns"] < again_ns] == [200]
    hosts.becomes(site, "", "closed")


def test_tip_pays_for_its_401_when_others_pass_with_the_same_token(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=300, options=WORK) as api:
        site = hosts.site(tmp_path, migrated, api, "ann")
        site.ok("import", str(tmp_path / "export.csv"))
        tip = site.value("SELECT tip FROM noggin_data OFFSET 40 LIMIT 1")
        api.control(body={"mode": "401", "match": {"tip": tip}})
        with hosts.running([site]):
            hosts.becomes(site, "", "auth_stop")
            assert hosts.charged(site) == []
            _close_until_charged(site)
            assert [one for one, _ in hosts.charged(site)] == [tip]
            hosts.until(
                lambda: hosts.done(site) == 299, timeout_s=120, what="all others come through"
            )
            assert hosts.state(site, "") == "closed"


def _close_until_charged(site: fleet.Site) -> None:
    for _ in range(10):  # it may be the first to be asked again, before anybody could testify
        site.ok("breaker", "close", "127.0.0.1", "--reason", "the token is fine")
        hosts.until(lambda: hosts.charged(site) or hosts.state(site, "") == "auth_stop")
        if hosts.charged(site):
            return
    raise AssertionError(json.dumps(site.status()))
