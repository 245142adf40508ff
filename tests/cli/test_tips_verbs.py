"""`tips` and `errors`: found, shown, asked for again, skipped, audited."""

import io
import sys
from pathlib import Path

import pytest

from noggin_mp.store import session
from tests.support.command import Command


@pytest.fixture
def noggin(tmp_path: Path, migrated: str, conn: session.Connection) -> Command:
    conn.execute(
        "INSERT INTO noggin_data (tip, object_type, object_code, processing_status,"
        " permanently_failed, last_error_message) VALUES"
        " ('dead', 'Load', 'LCD', 'failed', true, 'http_500'),"
        " ('done', 'Load', 'LCD', 'complete', false, NULL)"
    )
    conn.execute(
        "INSERT INTO processing_errors (tip, error_type, error_message)"
        " VALUES ('dead', 'http_500', 'the server failed')"
    )
    conn.execute("INSERT INTO folders (path, tip) VALUES ('2025/10/x', 'done')")
    conn.execute(
        "INSERT INTO attachments (record_tip, attachment_tip, attachment_sequence, file_path)"
        " VALUES ('done', 'm', 1, '2025/10/x/photo.jpg')"
    )
    return Command(tmp_path, migrated)


def test_list_shows_the_tips_of_a_state(noggin: Command) -> None:
    assert [
        one["tip"] for one in noggin("tips", "list", "--where", "dead", "--json").json["tips"]
    ] == ["dead"]
    assert "http_500" in noggin("tips", "list", "--error", "HTTP").out
    assert noggin("tips", "list", "--type", "so").out == "no such TIP\n"
    assert noggin("tips", "list", "--where", "nonsense").code == 2
    assert noggin("tips", "list", "--since", "yesterday-ish").code == 2
    assert len(noggin("tips", "list", "--since", "1h", "--json").json["tips"]) == 2


def test_show_tells_everything_about_a_tip(noggin: Command, tmp_path: Path) -> None:
    done = noggin("tips", "show", "done", "--json").json

    assert done["record"]["processing_status"] == "complete"
    assert done["folders"] == [str(tmp_path / "output" / "2025/10/x")]
    assert [one["file_path"] for one in done["attachments"]] == ["2025/10/x/photo.jpg"]
    assert noggin("tips", "show", "dead", "--json").json["errors"][0]["error_type"] == "http_500"
    assert "not queued" in noggin("tips", "show", "dead").out
    assert noggin("tips", "show", "nobody").code == 3


def test_retry_makes_named_tips_ready_and_says_which_are_missing(noggin: Command) -> None:
    done = noggin("tips", "retry", "dead", "done", "nobody", "--json")

    assert (done.code, done.json["changed"], done.json["missing"]) == (1, 2, ["nobody"])
    assert noggin("status", "--json").json["queue"]["ready"] == 2
    assert noggin("tips", "retry", "nobody").code == 3


@pytest.mark.parametrize("verb", ["retry", "skip"])
def test_change_by_filter_needs_a_yes_when_nobody_can_be_asked(
    noggin: Command, verb: str, monkeypatch: pytest.MonkeyPatch, conn: session.Connection
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    refused = noggin("tips", verb, "--where", "dead")
    tried = noggin("tips", verb, "--where", "dead", "--dry-run")
    done = noggin("tips", verb, "--where", "dead", "--yes", "--reason", "new token")

    assert (refused.code, tried.code, done.code) == (2, 0, 0)
    assert "would change 1 TIPs; add --yes" in refused.err
    assert "1 TIPs would be" in tried.out
    audited = conn.execute("SELECT action, target, reason, affected FROM audit_log").fetchall()
    assert audited == [(f"tips {verb}", "where=dead", "new token", 1)]


@pytest.mark.parametrize("words", [[], ["dead", "--where", "dead"]])
def test_change_needs_either_tips_or_a_filter(noggin: Command, words: list[str]) -> None:
    assert noggin("tips", "retry", *words).code == 2


def test_skip_leaves_finished_tips(noggin: Command) -> None:
    assert "1 TIPs skipped; 1 left as they are" in noggin("tips", "skip", "dead", "done").out


@pytest.mark.parametrize("by", ["type", "message", "tip", "worker", "day", "object"])
def test_errors_are_grouped(noggin: Command, by: str) -> None:
    (group,) = noggin("errors", "--by", by, "--since", "1h", "--json").json["errors"]

    assert (group["failures"], group["latest"]) == (1, "the server failed")
    assert noggin("errors", "--since", "2099-01-01").out == "no failure\n"
