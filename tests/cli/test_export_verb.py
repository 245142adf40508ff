"""`export`: what is in the database comes out whole, chosen, and quoted as readers expect."""

import csv
import io
import json
from pathlib import Path

import pytest

from noggin_mp.store import session
from tests.support.command import Command

NASTY = 'a "quoted", text\nwith a line\\break; é\t='


@pytest.fixture
def noggin(tmp_path: Path, migrated: str, conn: session.Connection) -> Command:
    """Two records, an attachment and an error."""
    conn.execute(
        "INSERT INTO noggin_data (tip, object_code, object_type, processing_status, vehicle,"
        " inspection_date, payload, straps) VALUES"
        " ('a', 'LCD', 'Load', 'complete', %s, '2025-10-23', '{\"big\": 1}', true),"
        " ('b', 'SO', 'Site Observations', 'failed', NULL, NULL, NULL, NULL)",
        (NASTY,),
    )
    conn.execute("UPDATE noggin_data SET updated_at = now() - interval '2 days' WHERE tip = 'b'")
    conn.execute(
        "INSERT INTO attachments (record_tip, attachment_tip, attachment_sequence,"
        " attachment_status) VALUES ('a', 'm', 1, 'complete'), ('b', 'n', 1, 'failed')"
    )
    conn.execute(
        "INSERT INTO processing_errors (tip, error_type, error_message, error_details)"
        " VALUES ('b', 'api_failed', 'http_500', '{\"reason\": \"http_500\"}')"
    )
    return Command(tmp_path, migrated)


def rows(text: str) -> list[dict[str, str]]:
    """CSV as a program reads it."""
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_reads_back_as_it_was(noggin: Command) -> None:
    found = rows(noggin("export", "records").out)
    assert [(one["tip"], one["vehicle"], one["straps"]) for one in found] == [
        ("b", "", ""), ("a", NASTY, "t"),
    ]  # fmt: skip
    assert "payload" not in found[0]
    assert found[1]["inspection_date"] == "2025-10-23"


def test_json_lines_read_back_as_they_were(noggin: Command) -> None:
    lines = noggin("export", "records", "--format", "jsonl").out.splitlines()
    one = json.loads(lines[1])
    assert (one["tip"], one["vehicle"], one["straps"], len(lines)) == ("a", NASTY, True, 2)


def test_columns_come_in_the_order_asked_for_payload_too(noggin: Command) -> None:
    done = noggin("export", "records", "--columns", "payload, tip,tip", "--type", "lcd")
    assert done.out == 'payload,tip\n"{""big"": 1}",a\n'


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["records", "--since", "1d"], ["a"]),
        (["records", "--type", "Site Observations"], ["b"]),
        (["records", "--status", "failed"], ["b"]),
        (["records", "--status", "pending"], []),
        (["attachments", "--type", "SO"], ["b"]),
        (["attachments", "--status", "complete"], ["a"]),
        (["attachments"], ["a", "b"]),
        (["errors", "--type", "SO"], ["b"]),
        (["errors", "--status", "bug"], []),
        (["errors", "--since", "1h"], ["b"]),
    ],
)
def test_rows_are_chosen_by(noggin: Command, words: list[str], expected: list[str]) -> None:
    found = noggin("export", *words, "--json").json["rows"]
    assert [one.get("record_tip", one.get("tip")) for one in found] == expected


def test_file_is_written_whole_and_counted(noggin: Command, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    done = noggin("export", "records", "--out", str(file), "--json")
    lines = noggin("export", "errors", "--out", str(tmp_path / "out.jsonl"))

    assert (done.json["number"], len(rows(file.read_text()))) == (2, 2)
    assert lines.out == f"1 errors in {tmp_path}/out.jsonl\n"
    assert json.loads((tmp_path / "out.jsonl").read_text())["error_details"] == {
        "reason": "http_500"
    }
    assert list(tmp_path.glob(".*")) == []


def test_an_export_of_nothing_has_its_header(noggin: Command) -> None:
    done = noggin("export", "records", "--since", "2099-01-01", "--columns", "tip,mass")
    assert (done.code, done.out) == (0, "tip,mass\n")


@pytest.mark.parametrize("columns", ["tip,objct_code", "", 'tip"; DROP TABLE noggin_data; --'])
def test_columns_that_are_none_are_refused(noggin: Command, columns: str) -> None:
    done = noggin("export", "records", "--columns", columns)
    assert (done.code, done.out) == (2, "")
    assert len(noggin("tips", "list", "--json").json["tips"]) == 2


def test_an_older_file_stays_when_the_export_fails(noggin: Command, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.write_text("older")
    assert noggin("export", "records", "--columns", "nonsense", "--out", str(file)).code == 2
    assert noggin("export", "records", "--out", str(tmp_path / "no" / "x.csv")).code == 8
    assert file.read_text() == "older"
