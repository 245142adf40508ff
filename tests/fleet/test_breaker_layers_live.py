"""A running fleet keeps to the forms it was started with, whatever the file says later."""

import signal
from pathlib import Path

import pytest

from tests.support import fleet, wait


def test_reload_keeps_environment_and_options_over_the_file(
    tmp_path: Path, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOGGIN_BREAKER__127_0_0_1", "fail_max:2")
    with fleet.simulator(tmp_path, tips=30) as api:
        api.control(body={"mode": "503"})
        site = fleet.Site(tmp_path, migrated, api, fleet={"grace_s": 4})
        options = ("--breaker-defaults", "reset:300,open_jitter:0")
        with fleet.running(site, "--workers", "1", "--threads", "2", *options) as supervisor:
            wait.until(lambda: fleet.workers(site), what="a worker")
            before = fleet.supervisor_file(site)["config_version"]
            site.settings["breaker"]["defaults"] |= {"fail_max": 50, "open_duration_s": 2}
            site.write()
            supervisor.send_signal(signal.SIGHUP)
            wait.until(
                lambda: fleet.supervisor_file(site)["config_version"] > before,
                timeout_s=120,
                what="the reload",
            )
            site.ok("import", str(tmp_path / "export.csv"))
            wait.until(
                lambda: site.value("SELECT count(*) FROM breaker_state WHERE state = 'open'"),
                what="the trip",
            )

        trip = "FROM breaker_events WHERE event_type = 'trip'"
        assert site.value(f"SELECT (details->>'streak')::int {trip}") < 50
        assert site.value("SELECT extract(epoch FROM until - updated_at) FROM breaker_state") == 300


def test_leader_prunes_old_history_and_keeps_the_rest(tmp_path: Path, migrated: str) -> None:
    with fleet.simulator(tmp_path, tips=10) as api:
        site = fleet.Site(tmp_path, migrated, api)
        with site.connect() as connection:
            connection.execute(
                "INSERT INTO breaker_events (ts, host, scope, event_type)"
                " SELECT now() - make_interval(days => 80 + n % 20), 'h', 'h', 'trip'"
                " FROM generate_series(0, 4999) AS n"
            )
        old = "SELECT count(*) FROM breaker_events WHERE ts < now() - interval '90 days'"
        with fleet.running(site, "--workers", "1", "--threads", "1"):
            wait.until(lambda: site.value(old) == 0, what="the pruning")
        assert site.value("SELECT count(*) FROM breaker_events") == 2500  # those of 80 to 89 days
