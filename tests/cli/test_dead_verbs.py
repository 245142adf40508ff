"""`dead`: TIPs not tried any more and rejected rows; each change asked for and audited."""

import io
import sys
from pathlib import Path

import pytest

from noggin_mp.store import session
from tests.support.command import Command


@pytest.fixture
def noggin(tmp_path: Path, migrated: str, conn: session.Connection) -> Command:
    """Two dead TIPs, a living one, and two rejected rows."""
    conn.execute(
        "INSERT INTO noggin_data (tip, object_code, processing_status, permanently_failed,"
        " retry_count, last_error_message) VALUES"
        " ('dead-lcd', 'LCD', 'api_failed', true, 5, 'http_500: x'),"
        " ('dead-so', 'SO', 'partial', true, 0, 'http_404'),"
        " ('alive', 'LCD', 'api_failed', false, 1, 'http_500: y')"
    )
    conn.execute(
        "INSERT INTO processing_errors (tip, error_type, error_message)"
        " VALUES ('dead-lcd', 'api_failed', 'http_500: x')"
    )
    conn.execute("INSERT INTO sources (source_id, filename, sha256) VALUES (1, 'a.csv', '')")
    conn.execute(
        "INSERT INTO failed_records (source_id, row_number, reason, raw, resolved) VALUES"
        " (1, 7, 'the TIP is blank', ',x', false), (1, 9, 'no type', 'y', false),"
        " (1, 11, 'old', 'z', true)"
    )
    return Command(tmp_path, migrated)


def state(conn: session.Connection) -> dict[str, tuple[str, bool]]:
    """Status and dead or not, by TIP."""
    found = conn.execute("SELECT tip, processing_status, permanently_failed FROM noggin_data")
    return {tip: (status, failed) for tip, status, failed in found.fetchall()}


def test_list_shows_tips_and_rows(noggin: Command) -> None:
    both = noggin("dead", "list", "--json").json
    assert sorted(one["tip"] for one in both["tips"]) == ["dead-lcd", "dead-so"]
    assert [(one["id"], one["filename"], one["row_number"]) for one in both["rows"]] == [
        ("row:2", "a.csv", 9), ("row:1", "a.csv", 7),
    ]  # fmt: skip

    def ids(*words: str) -> tuple[list[str], list[str]]:
        found = noggin("dead", "list", "--json", *words).json
        return (
            [one["tip"] for one in found.get("tips", [])],
            [one["id"] for one in found.get("rows", [])],
        )

    assert ids("--type", "lcd") == (["dead-lcd"], [])
    assert ids("--error", "BLANK") == ([], ["row:1"])
    assert ids("--rows") == ([], ["row:2", "row:1"])
    assert ids("--tips", "--limit", "1")[1] == []
    assert ids("--since", "2099-01-01") == ([], [])
    assert "no TIP is permanently failed" in noggin("dead", "list", "--error", "blank").out


def test_show_tells_why(noggin: Command) -> None:
    tip = noggin("dead", "show", "dead-lcd", "--json").json
    assert [one["error_message"] for one in tip["errors"]] == ["http_500: x"]
    assert "the TIP is blank" in noggin("dead", "show", "row:1").out
    for name in ("alive", "nobody", "row:3", "row:99", "row:x"):
        assert noggin("dead", "show", name).code == 3


def test_retry_takes_only_what_is_dead(noggin: Command, conn: session.Connection) -> None:
    done = noggin("dead", "retry", "dead-lcd", "alive", "--reason", "mended", "--json")

    assert (done.code, done.json["changed"], done.json["missing"]) == (1, 1, ["alive"])
    assert state(conn) == {
        "dead-lcd": ("pending", False),
        "dead-so": ("partial", True),
        "alive": ("api_failed", False),
    }
    assert conn.execute(
        "SELECT retry_count FROM noggin_data WHERE tip = 'dead-lcd'"
    ).fetchone() == (0,)
    assert conn.execute("SELECT action, target, reason, affected FROM audit_log").fetchall() == [
        ("dead retry", "dead-lcd, alive", "mended", 1)
    ]


def test_rows_cannot_be_retried(noggin: Command) -> None:
    done = noggin("dead", "retry", "row:1")
    assert (done.code, "import it again" in done.err) == (2, True)


def test_change_of_many_needs_a_filter_and_a_yes(
    noggin: Command, conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    before = state(conn)

    assert noggin("dead", "retry").code == 2
    assert noggin("dead", "retry", "dead-so", "--all").code == 2
    assert noggin("dead", "retry", "--all").code == 2
    assert noggin("dead", "discard", "--rows", "--all").code == 2
    assert "2 would be asked for again" in noggin("dead", "retry", "--all", "--dry-run").out
    assert noggin("dead", "discard", "--rows", "--type", "LCD", "--yes").code == 2
    assert state(conn) == before
    assert conn.execute("SELECT count(*) FROM audit_log").fetchone() == (0,)

    assert "2 asked for again" in noggin("dead", "retry", "--all", "--yes").out
    assert [status for status, _ in state(conn).values()].count("pending") == 2


def test_discard_gives_up_tips_and_rows(noggin: Command, conn: session.Connection) -> None:
    done = noggin("dead", "discard", "dead-so", "row:1", "row:1", "--json")

    assert (done.code, done.json["matched"], done.json["changed"]) == (0, 2, 2)
    assert state(conn)["dead-so"] == ("skipped", False)
    assert [one["id"] for one in noggin("dead", "list", "--json").json["rows"]] == ["row:2"]

    assert noggin("dead", "discard", "--rows", "--error", "type", "--yes").code == 0
    assert "no input row is rejected" in noggin("dead", "list").out
    assert noggin("dead", "discard", "--error", "500", "--yes").code == 0
    assert state(conn)["dead-lcd"] == ("skipped", False)
    assert noggin("dead", "discard", "dead-lcd").code == 3
    audited = conn.execute("SELECT action, target FROM audit_log ORDER BY audit_id").fetchall()
    assert audited == [
        ("dead discard", "dead-so, row:1, row:1"),
        ("dead discard", "rows error=type"),
        ("dead discard", "tips error=500"),
    ]
