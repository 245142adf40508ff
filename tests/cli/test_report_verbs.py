"""`report`: text, JSON and HTML say the same; sent or not, it is written."""

import json
import re
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from noggin_mp.store import session
from tests.support import mail_server
from tests.support.command import Command
from tests.support.fault_server import reply, running

PERTH = ZoneInfo("Australia/Perth")
EVIL = '<script>alert("x")</script> & "quoted"'


@pytest.fixture
def today(conn: session.Connection, noggin: Command) -> str:
    """The local day of the records; a test that runs over midnight gets the day it began."""
    row = conn.execute("SELECT last_retry_at FROM noggin_data WHERE tip = 'a'").fetchone()
    assert row is not None
    return f"{row[0].astimezone(PERTH):%Y-%m-%d}"


@pytest.fixture
def noggin(tmp_path: Path, migrated: str, conn: session.Connection) -> Command:
    """A day with two records, a failure and a file."""
    with conn.transaction():  # all at one moment
        conn.execute(
            "INSERT INTO noggin_data (tip, object_code, processing_status, permanently_failed,"
            " last_retry_at) VALUES ('a', 'LCD', 'complete', false, now()),"
            " ('b', 'SO', 'api_failed', true, now())"
        )
        conn.execute(
            "INSERT INTO attachments (record_tip, attachment_tip, attachment_sequence,"
            " attachment_status, file_size_bytes, download_started_at, download_completed_at)"
            " VALUES ('a', 'm', 1, 'complete', 3700000, now(), now())"
        )
        conn.execute(
            "INSERT INTO processing_errors (tip, error_type, error_message)"
            " VALUES ('b', 'kind', %s)",
            (EVIL,),
        )
    return Command(tmp_path, migrated)


def test_daily_report_tells_the_same_as_text_and_as_json(noggin: Command, today: str) -> None:
    text = noggin("report", "daily", "--day", today).out
    data = noggin("report", "daily", "--day", today, "--json").json

    assert text.startswith(f"daily report {today} (Australia/Perth, 24 h), so far: until ")
    assert "finished     1: 1 complete, 0 not found" in text
    assert "attachments  1 (3.7 MB" in text
    assert "1 dead letters: see noggin-mp dead list" in text
    assert (data["totals"]["complete"], data["totals"]["dead"]) == (1, 1)
    assert data["types"]["SO"]["dead"] == 1
    assert (data["hours"], len(data["parts"]), data["unfinished"]) == (24.0, 24, True)
    assert data["attachments"] == {"files": 1, "size_bytes": 3_700_000, "download_s": 0.0}
    assert data["error_groups"][0]["latest"] == EVIL
    assert (data["schema_version"], data["deliveries"]) == (1, [])
    assert set(data["now"]) >= {"queue", "eta_s", "free_bytes", "database_bytes"}


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]


def test_html_stands_alone_and_escapes_what_it_shows(
    noggin: Command, tmp_path: Path, today: str
) -> None:
    file = tmp_path / "day.html"
    done = noggin("report", "daily", "--day", today, "--out", str(file))

    text = file.read_text()
    page = Page(text)
    assert (done.code, done.out, done.err) == (0, "", f"wrote {file}\n")
    assert {"script", "link", "img", "iframe"}.isdisjoint(page.tags)
    assert (page.links, page.tags.count("svg")) == ([], 2)
    assert not re.search(r"https?:|url\(|@import", text)
    assert "prefers-color-scheme: dark" in text
    assert "&lt;script&gt;alert(" in text
    assert page.tags.count("rect") == 3  # one finished, one dead, one with bytes


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--out", "r.json"], "{"),
        (["--out", "r.txt"], "daily"),
        (["--out", "r.txt", "--format", "html"], "<!doctype html>"),
        (["--out", "r.html", "--format", "text"], "daily"),
    ],
)
def test_format_follows_from_the_name_of_the_file_unless_given(
    noggin: Command, tmp_path: Path, words: list[str], expected: str
) -> None:
    words = [str(tmp_path / word) if word.startswith("r.") else word for word in words]
    assert noggin("report", "daily", *words).code == 0
    assert Path(words[1]).read_text().startswith(expected)


def test_empty_day_and_long_range_work(noggin: Command) -> None:
    assert "nothing was settled" in noggin("report", "daily", "--day", "2001-02-03").out
    year = noggin("report", "range", "--from", "2001-01-01", "--to", "2001-12-31", "--json").json
    assert (len(year["parts"]), year["parts"][58]["label"]) == (365, "2001-02-28")
    assert (year["from"], year["to"], year["totals"]["finished"]) == (
        "2001-01-01", "2001-12-31", 0,
    )  # fmt: skip


def test_days_are_named_as_people_name_them(noggin: Command) -> None:
    now = datetime.now(PERTH)
    found = {day: noggin("report", "daily", "--day", day, "--json").json["from"]
             for day in ("today", "yesterday")}  # fmt: skip
    assert found["today"] >= f"{now:%Y-%m-%d}"
    assert found["yesterday"] >= f"{now - timedelta(days=1):%Y-%m-%d}"
    assert noggin("report", "daily", "--json").json["from"] >= f"{now:%Y-%m-%d}"


@pytest.mark.parametrize(
    "words",
    [
        ["daily", "--day", "2025-02-30"],
        ["daily", "--day", "23/10/2025"],
        ["range"],
        ["range", "--from", "2025-10-02", "--to", "2025-10-01"],
        ["range", "--from", "0001-01-01"],
        ["range", "--from", "9999-12-31", "--to", "9999-12-31"],
        ["daily", "--format", "pdf"],
    ],
)
def test_a_period_that_is_none_is_a_usage_error(noggin: Command, words: list[str]) -> None:
    done = noggin("report", *words)
    assert done.code == 2, done
    assert "Traceback" not in done.err


def test_a_file_that_cannot_be_written_is_told(noggin: Command, tmp_path: Path) -> None:
    done = noggin("report", "daily", "--out", str(tmp_path / "missing" / "day.html"))
    assert (done.code, "cannot be written" in done.err) == (8, True)
    assert list(tmp_path.glob("*.tmp")) == []


def test_sending_without_a_channel_is_refused_before_any_work(noggin: Command) -> None:
    done = noggin("report", "daily", "--send")
    assert (done.code, done.out) == (3, "")
    assert "neither notify.email nor notify.slack is set up" in done.err


def notified(folder: Path, dsn: str, mail_port: int, slack_url: str, **email: Any) -> Command:
    """A command line whose channels are ours; secrets are in files."""
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "token").write_text("xoxb-hidden\n")
    return Command(folder, dsn, notify={
        "email": {"host": "127.0.0.1", "port": mail_port, "security": "none",
                  "from": "noggin@example.com", "to": "ops@example.com, boss@example.com"} | email,
        "slack": {"bot_token_file": str(secrets / "token"), "channel": "C1", "api_url": slack_url},
    })  # fmt: skip


def test_report_is_sent_to_mail_and_slack(
    noggin: Command, tmp_path: Path, migrated: str, monkeypatch: pytest.MonkeyPatch, today: str
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with mail_server.running() as mail, running() as slack:
        slack.answers(reply(b'{"ok": true}'))
        sending = notified(tmp_path, migrated, mail.port, slack.base_url)
        done = sending("report", "daily", "--day", today, "--send")

    (got,) = mail.received
    assert done.code == 0, done.err
    assert "email: sent to ops@example.com, boss@example.com" in done.err
    assert "slack: posted to C1" in done.err
    assert done.out.startswith("daily report")
    assert got.mail["Subject"] == f"[noggin-mp] daily report {today}: 1 complete, 1 dead letters"
    names = [one.get_filename() for one in got.mail.iter_attachments()]
    assert names == [f"noggin-mp-daily-report-{today}.html", f"noggin-mp-daily-report-{today}.json"]
    (numbers,) = [
        json.loads(one.get_content())
        for one in got.mail.iter_attachments()
        if one.get_content_type() == "application/json"
    ]
    assert numbers["totals"]["complete"] == 1
    assert slack.requests[0].headers["authorization"] == "Bearer xoxb-hidden"


def test_report_is_written_although_it_cannot_be_sent(
    noggin: Command, tmp_path: Path, migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    file = tmp_path / "day.txt"
    with mail_server.running(answers={"MAIL": "553 not yours"}) as mail, running() as slack:
        slack.answers(reply(b'{"ok": true}'))
        sending = notified(tmp_path, migrated, mail.port, slack.base_url)
        done = sending("report", "daily", "--send", "--out", str(file), "--json")

    assert (done.code, file.read_text()[:5]) == (1, '{"sch')
    assert [(one["channel"], one["ok"]) for one in done.json["deliveries"]] == [
        ("email", False), ("slack", True),
    ]  # fmt: skip
    assert "553 not yours" in done.json["deliveries"][0]["told"]
    assert done.json["deliveries"][0]["remedy"] == "correct notify.email.from"


def test_notify_test_tells_the_outcome_of_each_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with mail_server.running() as mail, running() as slack:
        slack.answers(reply(b'{"ok": false, "error": "invalid_auth"}'))
        noggin = notified(tmp_path, "", mail.port, slack.base_url)
        both = noggin("notify", "test")
        only = noggin("notify", "test", "--email", "--json")

    assert (both.code, only.code) == (1, 0)
    first, second = both.out.splitlines()
    assert first.startswith("email:  ok: sent to ops@example.com, boss@example.com through 127.")
    assert second == (
        "slack:  failed: Slack refuses the message for C1: invalid_auth; give a valid token in"
        " notify.slack.bot_token_file"
    )
    assert [one["channel"] for one in only.json["deliveries"]] == ["email"]
    assert len(mail.received) == 2


def test_notify_test_needs_a_channel_and_its_secret(tmp_path: Path) -> None:
    noggin = Command(tmp_path, "")
    assert noggin("notify", "test").code == 3
    assert "notify.slack is not set up" in noggin("notify", "test", "--slack").err

    with mail_server.running() as mail:
        folder = tmp_path / "2"
        folder.mkdir()
        noggin = notified(
            folder, "", mail.port, "http://127.0.0.1:9",
            username="u", password_file=str(folder / "none"), security="starttls",
        )  # fmt: skip
        done = noggin("notify", "test", "--email")
    assert (done.code, mail.commands) == (1, [])
    assert "notify.email.password_file" in done.out
