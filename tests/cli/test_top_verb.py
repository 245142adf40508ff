"""`top`: one look, many looks, a real terminal, a database that goes away in between."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noggin_mp.cli import top
from noggin_mp.cli.context import Context
from noggin_mp.domain import errors
from noggin_mp.store import session
from tests.support.command import Command


@pytest.fixture
def noggin(tmp_path: Path, migrated: str, conn: session.Connection) -> Command:
    """Three TIPs, a host, an open breaker and an error."""
    conn.execute(
        "INSERT INTO noggin_data (tip, processing_status, permanently_failed) VALUES"
        " ('a', 'complete', false), ('b', 'pending', false), ('c', 'failed', true)"
    )
    conn.execute("INSERT INTO fleet_hosts (host, instance) VALUES ('h', gen_random_uuid())")
    conn.execute("SELECT breaker_force('api.example:api', 'open', 300, 'me', 'test')")
    conn.execute(
        "INSERT INTO processing_errors (tip, error_type, error_message)"
        " VALUES ('c', 'api_failed', 'http_503 after 17 s')"
    )
    conn.execute(
        "INSERT INTO breaker_minutes (minute, scope, ok, failed) SELECT"
        " date_trunc('minute', now()) - interval '1 minute', 'api.example:api', 30, 10"
    )
    return Command(tmp_path, migrated)


def test_one_look_tells_what_goes_on(noggin: Command) -> None:
    text = noggin("top", "--once").out
    seen = noggin("top", "--once", "--json").json

    assert "1 of 3 TIPs done (33.3 %), measuring" in text
    assert "forced_open" in text
    assert "http_# after # s" in text
    assert "no worker is at work" in text
    assert (seen["done"], seen["total"], seen["per_s"]) == (1, 3, None)
    assert seen["queue"] == {"ready": 1, "later": 0, "leased": 0}
    assert [one["state"] for one in seen["breakers"]] == ["forced_open"]
    assert [one["host"] for one in seen["hosts"]] == ["h"]
    assert noggin("top").out.startswith("noggin-mp top")  # no terminal: one look


def test_pace_and_forecast_follow_from_two_looks(
    noggin: Command, conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    ctx = Context()
    ctx.config = noggin.config
    looker = top.Looker(ctx)
    with contextlib.closing(looker):
        assert looker.look()["per_s"] is None
        conn.execute(
            "INSERT INTO noggin_data (tip, processing_status)"
            " SELECT 'd' || i, 'complete' FROM generate_series(1, 20) AS i"
        )
        now[0] += 10
        seen = looker.look()

    assert (seen["per_s"], seen["eta_s"]) == (2.0, 0)
    assert "2.0/s" in top.frame(seen)


def test_a_database_that_goes_away_is_told_and_found_again(
    noggin: Command, conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ctx = Context()
    ctx.config = noggin.config
    looker = top.Looker(ctx)
    with contextlib.closing(looker):
        looker.look()
        ended = conn.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            " AND application_name LIKE 'noggin-mp/top%'"
        ).fetchall()
        away = looker.look()
        back = looker.look()

    assert len(ended) == 1
    assert "the database cannot be read: " in top.frame(away)
    assert back["done"] == 1


def test_a_database_that_was_never_there_is_an_error(tmp_path: Path) -> None:
    noggin = Command(tmp_path, "host=/nowhere dbname=x")
    assert noggin("top", "--once").code == errors.DatabaseUnreachable.exit_code


def test_terminal_shows_it_live_until_interrupted(
    noggin: Command, conn: session.Connection
) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "noggin_mp", "-c", str(noggin.config), "top"]
    process = subprocess.Popen(
        [*command, "--interval", "0.2"], stdin=slave, stdout=slave, stderr=slave,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
    )  # fmt: skip
    os.close(slave)
    try:
        _read_until(master, "1 of 3 TIPs done")
        conn.execute("UPDATE noggin_data SET processing_status = 'complete' WHERE tip = 'b'")
        _read_until(master, "2 of 3 TIPs done")
        process.send_signal(signal.SIGINT)
        rest = _read_until(master, "\x1b[?1049l")  # the screen as it was before
        assert (process.wait(60), "Traceback" in rest) == (0, False)
    finally:
        process.kill()
        process.wait(60)
        os.close(master)


def _read_until(master: int, wanted: str, timeout_s: float = 180.0) -> str:
    """What the terminal got, up to `wanted`."""
    got, deadline = "", time.monotonic() + timeout_s
    while wanted not in got:
        left = deadline - time.monotonic()
        assert left > 0, f"{wanted!r} did not come: {got[-2000:]!r}"
        if select.select([master], [], [], left)[0]:
            try:
                got += os.read(master, 65_536).decode("utf-8", "replace")
            except OSError:
                return got
    return got
