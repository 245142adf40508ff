"""The monitor of a real fleet over HTTP: exact counters, no dips, the truth about the database."""

import itertools
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, rows, sql

from tests.support import fleet, parts, scrape, wait

MONITOR = {"bind": "127.0.0.1:0"}
ALL_AGAIN = """
UPDATE noggin_data SET processing_status = 'pending' WHERE processing_status = 'complete'
RETURNING tip
"""


def left(site: fleet.Site) -> int:
    """How many TIPs are neither complete nor known not to exist."""
    found: int = site.value(
        "SELECT count(*) FROM noggin_data WHERE processing_status NOT IN ('complete', 'not_found')"
    )
    return found


def test_metrics_agree_with_the_simulator_to_the_request_and_the_byte(
    tmp_path: Path, migrated: str
) -> None:
    mix = "429=4%,500=4%,html=3%,api.nul=2%,reset=4%,truncate=3%"
    options = ["--faults", mix, "--retry-after-max", "1", "--latency-ms", "10"]
    with fleet.simulator(tmp_path, tips=60, options=options) as api:
        site = fleet.Site(tmp_path, migrated, api, monitor=MONITOR)
        with fleet.running(site, "--workers", "2", "--threads", "4") as supervisor:
            pages = scrape.pages(site)
            _starts_at_zero(pages, api.base_url.rpartition("/")[2].partition(":")[0])
            site.ok("import", str(tmp_path / "export.csv"))
            wait.until(
                lambda: pages.series().sum("requests_total", worker="1") > 5 or left(site) == 0,
                timeout_s=60,
            )
            supervisor.send_signal(signal.SIGTTOU)  # worker 1 drains in the midst of it
            wait.until(lambda: 1 not in fleet.workers(site), timeout_s=60, what="a drained worker")
            supervisor.send_signal(signal.SIGTTIN)
            wait.until(lambda: left(site) == 0, timeout_s=120, what="all TIPs done")
            wait.until(lambda: _all_told(site, pages, api), timeout_s=60, what="all is counted")
            _counts(site, pages, api)
            _promtool(pages)
            wait.until(lambda: pages.get("/healthz") == (200, "ok\n"), timeout_s=60)
            wait.until(lambda: _logged(site) == _completed(site), timeout_s=60)
            imported = site.value("SELECT count(*) FROM noggin_data")
            wait.until(  # by another process; the sample may be some seconds old
                lambda: pages.series().sum("import_rows_total", outcome="imported") == imported,
                timeout_s=60,
            )
        [row] = _sessions(site)
        assert row["exit_code"] == 0
        assert row["finished_at"] > row["started_at"]
        assert row["summary"]["reason"] == "asked by SIGTERM"
        assert sum(row["summary"]["tips"].values()) == imported


def _sessions(site: fleet.Site) -> list[dict[str, Any]]:
    """The rows of session_log."""
    with site.connect() as connection:
        cursor = connection.cursor(row_factory=rows.dict_row)
        return cursor.execute("SELECT * FROM session_log").fetchall()


def _all_told(site: fleet.Site, pages: scrape.Pages, api: fleet.Simulator) -> bool:
    """True when the last ones are counted as well: a TIP is once it is settled."""
    complete = "SELECT count(*) FROM noggin_data WHERE processing_status = 'complete'"
    told = pages.series().sum("tips_total", outcome="complete")
    return told == site.value(complete) and len(api.log()) == api.stats["requests"]


def _logged(site: fleet.Site) -> list[tuple[str, ...]]:
    """What the one file of the run tells: a line for each completed TIP, whoever completed it."""
    [file] = (site.folder / "log").glob("session_*.log")
    whole, _, _ = file.read_text("utf-8").rpartition("\n")
    header, *lines = whole.splitlines()
    assert header.split("\t") == [
        "TIMESTAMP", "TIP", "INSPECTION_ID", "ATTACHMENTS_COUNT", "ATTACHMENT_FILENAMES",
    ]  # fmt: skip
    found = [line.split("\t") for line in lines]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row[0]) for row in found)
    return sorted(tuple(row[1:]) for row in found)


def _completed(site: fleet.Site) -> list[tuple[str, ...]]:
    """What it should tell."""
    with site.connect() as connection:
        return sorted(
            connection.execute(
                "SELECT tip, noggin_reference, total_attachments::text,"
                " coalesce((SELECT string_agg(filename, '; ' ORDER BY attachment_sequence)"
                " FROM attachments WHERE record_tip = tip), '')"
                " FROM noggin_data WHERE processing_status = 'complete'"
            ).fetchall()
        )


def _starts_at_zero(pages: scrape.Pages, host: str) -> None:
    """Every series there may be exists from the start, at zero; a worker makes them one by one."""
    expected = [("queue_tips", {"state": state}, 7)  # six types and `unknown`
                for state in ("ready", "later", "leased", "dead")]  # fmt: skip
    for worker in "01":
        for role in ("api", "media"):
            same = {"worker": worker, "host": host, "role": role}
            scoped = {"worker": worker, "scope": f"{host}:{role}"}
            expected += [
                ("requests_total", same, 11),
                ("request_failures_total", {**same, "reason": "http_500"}, 1),
                ("downloaded_bytes_total", {"worker": worker, "role": role}, 1),
                ("breaker_opens_total", scoped, 1),
                ("gate_wait_seconds_total", scoped, 1),
                ("breaker_state", {"scope": f"{host}:{role}"}, 1),
            ]
        mine = {"worker": worker}
        expected += [
            ("tips_total", {**mine, "type": "LCD", "outcome": "complete"}, 1),
            ("attachments_total", {**mine, "outcome": "published"}, 1),
            ("lease_lost_total", mine, 1),
        ]

    def missing() -> list[tuple[str, dict[str, str], int]]:
        series = pages.series()
        found = [(one, series.of(one[0], **one[1])) for one in expected]
        assert not any(any(values.values()) for _, values in found), found
        return [one for one, values in found if len(values) != one[2]]

    wait.until(lambda: not missing(), timeout_s=60, what="every series of both workers")
    assert missing() == []


def _counts(site: fleet.Site, pages: scrape.Pages, api: fleet.Simulator) -> None:
    series, stats, log = pages.series(), api.stats, api.log()
    assert series.sum("requests_total") == stats["requests"] == len(log)
    for role in ("api", "media"):
        assert series.sum("requests_total", role=role) == stats[role]
        sent = sum(entry["bytes"] for entry in log if entry["role"] == role)
        assert series.sum("downloaded_bytes_total", role=role) == sent
        count = series.sum("request_duration_seconds_count", role=role)
        resent = series.sum("requests_total", role=role, outcome="resent")
        assert count == stats[role] - resent  # what was sent again is timed as one
    for outcome, status in (("rate_limited", "429"), ("server_error", "500"), ("not_found", "404")):
        assert series.sum("requests_total", outcome=outcome) == stats["by_status"].get(status, 0)
    by_fault = stats["by_fault"]
    spoilt = sum(by_fault.get(fault, 0) for fault in ("html", "nul", "truncate"))
    assert series.sum("requests_total", outcome="bad_content") == spoilt
    torn = [series.sum("requests_total", outcome=outcome) for outcome in ("connect", "resent")]
    assert sum(torn) == by_fault.get("reset", 0)
    no_failures = ("success", "cancelled", "resent")
    failed = stats["requests"] - sum(
        series.sum("requests_total", outcome=outcome) for outcome in no_failures
    )
    assert series.sum("request_failures_total") == failed
    files = site.value("SELECT count(*) FROM attachments WHERE attachment_status = 'complete'")
    assert series.sum("attachments_total", outcome="published") >= files
    assert series.sum("tips_total", outcome="complete") == site.value(
        "SELECT count(*) FROM noggin_data WHERE processing_status = 'complete'"
    )
    assert series.sum("attachment_size_bytes_count") == (
        series.sum("attachments_total", outcome="published")
    )


def _promtool(pages: scrape.Pages) -> None:
    """What Prometheus's own checker says of a live scrape; told when it is not there."""
    promtool = parts.find("promtool")
    if promtool is None:
        print("SKIPPED: promtool is not installed, so it has not checked the live scrape")
        return
    text = pages.get("/metrics")[1]
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_counters_never_fall_when_a_worker_is_killed(tmp_path: Path, migrated: str) -> None:
    with fleet.simulator(tmp_path, tips=400, options=["--latency-ms", "20"]) as api:
        site = fleet.Site(tmp_path, migrated, api, monitor=MONITOR)
        site.ok("import", str(tmp_path / "export.csv"))
        with fleet.running(site, "--workers", "2", "--threads", "4"):
            pages = scrape.pages(site)
            wait.until(lambda: _requests(pages.series()) > 20, timeout_s=60)
            killed = fleet.workers(site)[0]
            before = pages.series()
            os.kill(killed, signal.SIGKILL)
            seen = [before]

            def back() -> bool:
                seen.append(pages.series())
                if left(site) == 0:  # before the successor has come to work
                    site.value(ALL_AGAIN)
                return _requests(seen[-1]) > _requests(before) + 20

            wait.until(back, timeout_s=120, what="the successor goes on counting")
            assert fleet.workers(site)[0] != killed
    for earlier, later in itertools.pairwise(seen):
        for series, value in earlier.values.items():
            if series[0].endswith(("_total", "_count", "_bucket", "_sum")):
                assert later.values[series] >= value, series


def _requests(series: scrape.Series) -> float:
    """What worker 0 has counted; it may not have begun."""
    return sum(series.of("requests_total", worker="0").values())


@contextmanager
def locked_out(dsn: str) -> Iterator[None]:
    """A database that lets nobody in, and has put everybody out."""
    name = str(conninfo.conninfo_to_dict(dsn)["dbname"])
    with psycopg.connect(conninfo.make_conninfo(dsn, dbname="postgres"), autocommit=True) as admin:
        allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
        admin.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        try:
            yield
        finally:
            admin.execute(allow.format(sql.Identifier(name), sql.SQL("true")))


@pytest.mark.slow
def test_health_and_gauges_tell_when_the_database_goes_and_comes_back(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=10) as api:
        site = fleet.Site(tmp_path, migrated, api, monitor=MONITOR)
        with fleet.running(site, "--workers", "1", "--threads", "2"):
            pages = scrape.pages(site)
            wait.until(lambda: pages.status("/healthz") == 200, timeout_s=60)
            wait.until(lambda: pages.series().of("requests_total"), timeout_s=60)
            children = fleet.workers(site)
            with locked_out(migrated):
                wait.until(lambda: _refused(*pages.get("/healthz")), timeout_s=60)
                assert pages.status("/readyz") == 503
                code, text = pages.get("/")
                assert (code, "not currently accepting" in text) == (200, True)
                series = pages.series()
                for gauge in ("queue_tips", "queue_oldest_ready_seconds", "breaker_state"):
                    assert series.of(gauge) == {}
                assert series.of("requests_total")  # what the files hold is shown all the same
            wait.until(lambda: pages.status("/healthz") == 200, timeout_s=90)
            assert pages.series().of("queue_tips")
            assert fleet.workers(site) == children  # nobody had to die for it
            site.ok("import", str(tmp_path / "export.csv"))
            wait.until(lambda: left(site) == 0, timeout_s=120)


def _refused(code: int, text: str) -> bool:
    return code == 503 and "not currently accepting connections" in text
