"""`breaker ...` and `fleet ...` as people and programs use them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.cli import main
from noggin_mp.store import session

Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def run(
    migrated: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    monkeypatch.chdir(tmp_path)
    settings = {"database": {"dsn": migrated}, "api": {"base_url": "https://api.example"}}
    Path("n.json").write_text(json.dumps(settings), encoding="utf-8")

    def call(*arguments: str) -> tuple[int, Any, str]:
        code = main.run(["-c", "n.json", *arguments])
        told = capsys.readouterr()
        return code, json.loads(told.out) if "--json" in arguments else told.out, told.err

    return call


def test_open_and_close_change_the_scope_for_all_and_are_audited(
    run: Run, conn: session.Connection
) -> None:
    code, told, _ = run("breaker", "open", "API.example.", "--for", "5h", "--reason", "x", "--json")
    assert (code, told["scope"], told["state"]) == (0, "api.example", "forced_open")
    code, told, _ = run("breaker", "show", "--json")
    [row] = told["breakers"]
    assert (row["scope"], row["state"], row["reason"]) == ("api.example", "forced_open", "x")
    assert 17_000 < row["remaining_s"] <= 18_000
    assert run("breaker", "close", "api.example")[:2] == (0, "api.example is closed\n")
    actions = conn.execute("SELECT action, target, reason FROM audit_log ORDER BY audit_id")
    assert actions.fetchall() == [
        ("breaker open", "api.example", "x"),
        ("breaker close", "api.example", ""),
    ]
    code, told, _ = run("breaker", "events", "--limit", "1", "--json")
    assert [event["event_type"] for event in told["events"]] == ["close"]


def test_show_says_closed_when_nothing_ever_happened(run: Run) -> None:
    assert run("breaker", "show")[:2] == (0, "closed: nothing ever tripped\n")


def test_reset_takes_one_role_and_notes_a_scope_nobody_uses(run: Run) -> None:
    code, out, err = run("breaker", "reset", "other.example:media")
    assert (code, out) == (0, "other.example:media is closed\n")
    assert "the configured host is api.example" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("breaker", "open", "api.example"),  # without a reason
        ("breaker", "open", "not a host", "--reason", "x"),
        ("breaker", "open", "api.example", "--for", "soon", "--reason", "x"),
        ("breaker", "open", "api.example", "--for", "0", "--reason", "x"),
        ("breaker", "open", "api.example", "--for", "-5", "--reason", "x"),
        ("fleet", "pause", "--for", "1000d", "--reason", "x"),
    ],
)
def test_verbs_exit_with_usage_when_an_argument_is_wrong(
    run: Run, arguments: tuple[str, ...]
) -> None:
    assert run(*arguments)[0] == 2


def test_verbs_exit_5_when_the_database_takes_no_writes(run: Run, conn: session.Connection) -> None:
    conn.execute(
        f"ALTER DATABASE {conn.info.dbname} SET default_transaction_read_only = on".encode()
    )

    code, out, err = run("fleet", "pause", "--reason", "backup")

    assert (code, out) == (5, "")
    assert "read-only transaction; point database.dsn at the primary" in err


def test_fleet_pause_is_shown_until_it_is_resumed(run: Run) -> None:
    assert run("fleet", "pause", "--reason", "backup")[0] == 0
    code, told, _ = run("fleet", "status", "--json")
    assert (code, told["pause"]) == (0, {"paused": True, "reason": "backup", "until": None})
    assert "paused until resumed: backup" in run("fleet", "status")[1]
    assert run("fleet", "resume")[0] == 0
    assert run("fleet", "status", "--json")[1]["pause"]["paused"] is False
