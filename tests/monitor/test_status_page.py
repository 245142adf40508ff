"""The status page and its data: over HTTP, and as a browser shows it."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.domain import agreement
from noggin_mp.store import breaker, fleet, queue, requests, session
from tests.monitor.conftest import Alone
from tests.support import scrape
from tests.support.wait import until

NASTY = "<script>document.title='hacked'</script>"


def beating(conn: session.Connection, *, host: str, slot: int) -> None:
    """A worker that is heard of, however long the test takes: its last beat is yet to come."""
    holder = queue.Holder(host=host, slot=slot, instance=str(uuid.uuid4()), boot=1)
    fleet.register(conn, holder=holder, pid=1, version="1")
    conn.execute("UPDATE fleet_workers SET heartbeat_at = clock_timestamp() + interval '1 hour'")


@pytest.fixture
def pages(alone: Alone, conn: session.Connection) -> Iterator[scrape.Pages]:
    """A lone monitor of a database with something to show."""
    conn.execute(
        "INSERT INTO noggin_data (tip, processing_status, permanently_failed) VALUES"
        " ('a', 'complete', false), ('b', 'not_found', false), ('c', 'pending', false),"
        " ('d', 'partial', true)"
    )
    beating(conn, host=NASTY, slot=3)
    breaker.force(conn, scope="127.0.0.1:api", verb="open", who="me", reason=NASTY, seconds=3600)
    with alone() as (_, found):
        yield found


def test_pages_agree_on_what_there_is(pages: scrape.Pages) -> None:
    code, text = pages.get("/status.json")
    view = json.loads(text)
    assert (code, view["schema_version"], view["host"]) == (200, 1, "alone")
    assert (view["done"], view["total"], view["tips"]["permanently_failed"]) == (2, 4, 1)
    assert view["queue"] == {"ready": 1, "later": 0, "leased": 0}
    assert view["breakers"][0]["state"] == "forced_open"
    assert view["workers"][0]["slot"] == 3
    assert [one["code"] for one in view["reasons"]] == ["breaker.forced_open"]
    assert "tips.dead" in [one["code"] for one in view["notes"]]
    code, text = pages.get("/healthz")
    assert (code, text.startswith("breaker.forced_open: ")) == (503, True)
    code, text = pages.get("/")
    assert code == 200
    assert "2 of 4 TIPs are done" in text
    assert NASTY not in text  # what others wrote is text, not markup
    assert pages.status("/readyz") == 200
    assert pages.status("/nothing") == 404


def test_a_stale_supervisor_file_says_nothing_about_a_lone_monitor(
    tmp_path: Path, alone: Alone, conn: session.Connection
) -> None:
    with alone() as (_, pages):
        beating(conn, host="alone", slot=0)
        until(lambda: pages.get("/healthz") == (200, "ok\n"), timeout_s=60)
        stale = {"pid": 999999, "state": "stopped", "slots": [], "config_error": "old"}
        (tmp_path / "alone" / "state" / "supervisor.json").write_text(json.dumps(stale))
        assert "stopped" not in pages.get("/healthz")[1]
        assert "old" not in pages.get("/")[1]


def test_page_shows_what_only_the_supervisor_knows(
    tmp_path: Path, alone: Alone, conn: session.Connection
) -> None:
    with alone() as (_, pages):
        beating(conn, host="alone", slot=0)
        (tmp_path / "alone" / "output").mkdir(exist_ok=True)
        parked = [{"slot": slot, "pid": None, "state": "parked"} for slot in (0, 7)]
        said = {
            "pid": os.getpid(),  # the monitor's parent
            "state": "running",
            "paused": True,
            "config_error": "noggin.yaml:3:1: nonsense",
            "config_version": "abc123",
            "started_at": 1_700_000_000.0,
            "slots": parked,
        }
        (tmp_path / "alone" / "state" / "supervisor.json").write_text(json.dumps(said))
        until(lambda: "worker slots parked" in pages.get("/healthz")[1], timeout_s=60)
        view = json.loads(pages.get("/status.json")[1])
        until(lambda: len(_view(pages)["workers"]) == 2, timeout_s=60)
        until(lambda: (_view(pages)["storage"] or {}).get("free_bytes", 0) > 0, timeout_s=60)
        text = pages.get("/")[1]
    assert view["supervisor"] == {
        "state": "running",
        "paused": True,
        "config_error": "noggin.yaml:3:1: nonsense",
        "config_version": "abc123",
        "started_at": "2023-11-14T22:13:20+00:00",
    }
    assert view["token_expires_at"] is None
    codes = {one["code"] for one in view["reasons"] + view["notes"]}
    assert {"workers.parked", "config.invalid", "leasing.paused"} <= codes
    for shown in ("noggin.yaml:3:1: nonsense", "host paused", "abc123", "it does not say"):
        assert shown in text
    assert text.count(">parked</span>") == 2  # one of them never had a worker


def test_page_tells_of_a_host_with_another_policy(alone: Alone, conn: session.Connection) -> None:
    other = requests.Identity(host="b", instance=str(uuid.uuid4()), version="1", output="/o")
    policy = agreement.told("127.0.0.1", api={"breaker.fail_max": 99}, media={})
    with alone() as (_, pages):

        def noted() -> list[str]:
            requests.present(conn, other, facts={"policy": policy}, age_s=60)
            notes = _view(pages)["notes"]
            return [one["message"] for one in notes if one["code"] == "policies.differ"]

        [message] = until(noted, timeout_s=60)
        assert "breaker.fail_max (alone: 5; b: 99)" in message
        assert "b: 99" in pages.get("/")[1]


def _view(pages: scrape.Pages) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(pages.get("/status.json")[1])
    return found


def test_a_browser_shows_the_page(pages: scrape.Pages, tmp_path: Path) -> None:
    browser = scrape.chromium()
    if browser is None:
        pytest.skip("NOT TESTED: no Chromium here, so no browser has opened the status page")
    common = [
        str(browser), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path / 'browser'}", "--window-size=1200,900",
    ]  # fmt: skip
    done = subprocess.run(
        [*common, f"--screenshot={tmp_path / 'page.png'}", "--dump-dom", f"http://{pages.address}/"],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "<title>needs attention · noggin_mp alone</title>" in done.stdout
    assert "forced open" in done.stdout
    assert "&lt;script&gt;" in done.stdout
    assert ">This host</h2>" in done.stdout
