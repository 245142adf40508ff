"""`status` reports and exits 0; `health` judges, with reasons."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.settings import schema
from noggin_mp.store import session
from noggin_mp.supervisor import pidfile
from tests.support.command import Command

STATUSES = (
    "pending", "api_success", "complete", "partial", "failed", "interrupted", "api_failed",
    "not_found", "skipped", "permanently_failed",
)  # fmt: skip


@pytest.fixture
def noggin(tmp_path: Path, migrated: str) -> Command:
    return Command(tmp_path, migrated, attachments={"min_free_bytes": 0})


def running(monkeypatch: pytest.MonkeyPatch, **said: object) -> None:
    """A supervisor that runs, as far as its state folder tells."""
    state = {"pid": 42, "state": "running", "config_error": None, "slots": []} | said
    monkeypatch.setattr(pidfile, "read_state", lambda _: state)


def beating(conn: session.Connection) -> None:
    """A worker that is at work, for as long as a test takes."""
    conn.execute(
        "INSERT INTO fleet_workers (host, slot, instance, boot, pid, state, heartbeat_at)"
        " VALUES ('h', 0, %s, 1, 10, 'running', now() + interval '1 hour')",
        (uuid.uuid4(),),
    )


def test_status_is_complete_when_nothing_ever_ran(noggin: Command) -> None:
    done = noggin("status", "--json")

    assert done.code == 0
    assert done.json == {
        "schema_version": 1,
        "tips": dict.fromkeys(STATUSES, 0),
        "queue": {"ready": 0, "later": 0, "leased": 0},
        "breakers": [],
        "workers": [],
        "supervisor": {
            "pid": None,
            "state": "stopped",
            "paused": None,
            "config_error": None,
            "config_version": None,
            "reload": None,
        },
        "paused": False,
        "configuration_on_disk": None,
    }


def test_status_exits_0_whatever_it_finds(
    noggin: Command, conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    running(monkeypatch, config_error="noggin.yaml:3: no")
    beating(conn)
    conn.execute(
        "INSERT INTO breaker_state (scope, state, reason) VALUES ('h', 'auth_stop', '401')"
    )
    conn.execute("UPDATE queue_control SET paused = true, reason = 'night'")

    found = noggin("status", "--json")
    text = noggin("status")

    assert (found.code, text.code) == (0, 0)
    assert found.json["breakers"] == [
        {"scope": "h", "state": "auth_stop", "until": None, "reason": "401", "quarantined": 0}
    ]
    assert found.json["supervisor"]["config_error"] == "noggin.yaml:3: no"
    assert [one["state"] for one in found.json["workers"]] == ["running"]
    assert found.json["paused"] is True
    assert "paused: night" in text.out


def test_status_says_3_when_the_schema_is_missing(tmp_path: Path, database: str) -> None:
    done = Command(tmp_path, database)("status", "--json")

    assert done.code == 3
    assert done.json["error"]["code"] == "database.schema"


def test_health_exits_0_when_all_is_well(
    noggin: Command, conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    running(monkeypatch)
    beating(conn)

    done = noggin("health", "--json")

    assert (done.code, done.json["healthy"], done.json["reasons"]) == (0, True, [])
    assert noggin("health").out == "healthy\n"


@pytest.mark.parametrize("words", [["--max-age", "60"], ["--max-age", "60", "--wait", "0.1"]])
def test_health_exits_1_with_reasons(
    noggin: Command, conn: session.Connection, words: list[str]
) -> None:
    conn.execute(
        "INSERT INTO breaker_state (scope, state, reason) VALUES (%s, 'auth_stop', '401')",
        (schema.Settings().api.host,),
    )

    done = noggin("health", "--json", *words)

    assert done.code == 1
    assert [one["code"] for one in done.json["reasons"]] == [
        "supervisor.not_running", "breaker.auth_stop", "work.old",
    ]  # fmt: skip
    assert "give a valid token" in noggin("health").out


def test_health_exits_5_when_the_database_is_down(tmp_path: Path) -> None:
    done = Command(tmp_path, "host=/nonexistent dbname=none")("health", "--json")

    assert done.code == 5
    assert [one["code"] for one in done.json["reasons"]] == ["database.unreachable"]


def test_health_starts_no_embedded_server(tmp_path: Path) -> None:
    done = Command(tmp_path, "")("health", "--json")

    assert done.code == 5
    assert not list(tmp_path.glob("state/*"))


def test_health_becomes_good_when_waited_for(
    noggin: Command, conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    beating(conn)
    asked: list[Path] = []

    def read_state(folder: Path) -> dict[str, Any]:
        asked.append(folder)
        state = "starting" if len(asked) == 1 else "running"
        return {"pid": 1, "state": state, "config_error": None, "slots": []}

    monkeypatch.setattr(pidfile, "read_state", read_state)

    done = noggin("health", "--wait", "300", "--json")

    assert (done.code, len(asked)) == (0, 2)
    assert json.loads(done.out)["healthy"] is True
