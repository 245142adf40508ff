"""CSV exports into real tables: every oddity of real files, each row counted once."""

from pathlib import Path

import pytest

from noggin_mp.store import session, sources
from tests.support.exports import HEAD, A, B, C, counts, load, stored
from tests.support.tips import tip


@pytest.mark.parametrize(
    ("content", "asked", "expected"),
    [
        pytest.param(
            f"{HEAD}\n{A},LCD - 1\n{B},,C - 1\n", "", [(A, "LCD"), (B, "CCC")], id="mixed"),
        pytest.param(f"\ufeff{HEAD}\n{A},LCD - 1\n", "", [(A, "LCD")], id="bom"),
        pytest.param(f"{HEAD}\r\n{A},LCD - 1\r\n", "", [(A, "LCD")], id="crlf"),
        pytest.param(f"{HEAD}\r{A},LCD - 1\r", "", [(A, "LCD")], id="cr"),
        pytest.param(f"{HEAD}\n{A},LCD - 1", "", [(A, "LCD")], id="no-last-line-end"),
        pytest.param(f"{HEAD}\n{A},LCD - 1\n\n,,,,\n  \n\n", "", [(A, "LCD")], id="blank-rows"),
        pytest.param(f"\n\n{HEAD}\n{A},LCD - 1\n", "", [(A, "LCD")], id="blank-lines-above"),
        pytest.param(
            f'{HEAD}\n{A},LCD - 1,,,"two\r\nlines"\n{B},LCD - 2\n', "",
            [(A, "LCD"), (B, "LCD")], id="quoted-newline"),
        pytest.param(HEAD.replace(",", ";") + f"\n{A};LCD - 1\n", "", [(A, "LCD")], id="semicolon"),
        pytest.param(HEAD.replace(",", "\t") + f"\n{A}\tLCD - 1\n", "", [(A, "LCD")], id="tab"),
        pytest.param(f"sep=;\nnogginId;couplingId\n{A};C - 1\n", "", [(A, "CCC")], id="excel-sep"),
        pytest.param(f'"tip","LCDINSPECTIONID"\n"{A}","LCD - 1"\n', "", [(A, "LCD")], id="quoted"),
        pytest.param(f"TIP\n{A}\n{B}\n", "TA", [(A, "TA"), (B, "TA")], id="tip-only"),
        pytest.param(f"\n{A}\n{B}\n", "TA", [(A, "TA"), (B, "TA")], id="tip-only-blank-header"),
        pytest.param(f"tip,couplingId\n{A},\n", "", [(A, "CCC")], id="type-by-the-only-id-column"),
        pytest.param(f"{HEAD}\n{C},LCD - 3\n{A},LCD - 1\n{B},LCD - 2\n", "",
                     [(C, "LCD"), (A, "LCD"), (B, "LCD")], id="file-order"),
        pytest.param(f"{HEAD}\n", "", [], id="header-only"),
        pytest.param(HEAD, "", [], id="header-only-without-line-end"),
    ],
)  # fmt: skip
def test_load_queues_the_tips_of_a_file(
    conn: session.Connection,
    tmp_path: Path,
    content: str,
    asked: str,
    expected: list[tuple[str, str]],
) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(content.encode())

    report = load(conn, path, asked)

    assert stored(conn) == expected
    assert counts(report) == (len(expected), len(expected), 0, 0, 0)


def test_load_fills_the_row_when_a_tip_is_new(conn: session.Connection, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(f"{HEAD}\n{A},LCD - 000001,,23/10/2025,Blue\n")

    report = load(conn, path)

    row = conn.execute(
        "SELECT object_type, object_code, processing_status, expected_inspection_id,"
        " expected_inspection_date::text, expected_team, source_id, csv_imported_at IS NOT NULL"
        " FROM noggin_data"
    ).fetchone()
    assert row == (
        "Load Compliance Check (Driver/Loader)", "LCD", "pending", "LCD - 000001", "2025-10-23",
        "Blue", report.source_id, True,
    )  # fmt: skip


def test_load_counts_each_row_once_when_rows_repeat_or_fail(
    conn: session.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "export.csv"
    path.write_text(
        f'{HEAD}\n{A},LCD - 1\n{A},LCD - 1\nbad tip,LCD - 2\n{B},"x"y\n\n{B},LCD - 3\n{C}\n'
    )
    conn.execute("INSERT INTO noggin_data (tip, object_type) VALUES (%s, 'LCD')", (B,))

    report = load(conn, path)

    assert counts(report) == (6, 1, 1, 1, 3)
    assert [one.line for one in report.rejects] == [4, 5, 8]
    kept = conn.execute(
        "SELECT row_number, raw, source_id FROM failed_records ORDER BY row_number"
    ).fetchall()
    assert kept == [
        (4, "bad tip,LCD - 2", report.source_id),
        (5, f'{B},"x"y', report.source_id),
        (8, C, report.source_id),
    ]


def test_load_changes_nothing_when_the_same_content_comes_again(
    conn: session.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "export.csv"
    path.write_text(f"{HEAD}\n{A},LCD - 1\nbad tip,LCD - 2\n")
    first = load(conn, path)
    other = tmp_path / "copy.csv"
    other.write_bytes(path.read_bytes())

    second = load(conn, other)

    assert counts(second) == (2, 0, 1, 0, 1)
    assert (second.same_as, second.source_id) == (first.source_id, first.source_id)
    assert stored(conn) == [(A, "LCD")]
    assert len(sources.listed(conn, limit=9)) == 1
    assert conn.execute("SELECT count(*) FROM failed_records").fetchone() == (1,)


def test_load_brings_back_what_was_deleted_when_the_same_content_comes_again(
    conn: session.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "export.csv"
    path.write_text(f"{HEAD}\n{A},LCD - 1\n{B},LCD - 2\n")
    load(conn, path)
    conn.execute("DELETE FROM noggin_data WHERE tip = %s", (A,))

    assert counts(load(conn, path)) == (2, 1, 1, 0, 0)


def test_load_numbers_the_versions_of_a_name(conn: session.Connection, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    versions = []
    for number in (1, 2, 3):
        path.write_text(f"{HEAD}\n{tip(number)},LCD - {number}\n")
        versions.append(load(conn, path).version)

    assert versions == [1, 2, 3]


def test_dry_run_tells_the_same_and_changes_nothing(
    conn: session.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "export.csv"
    path.write_text(f"{HEAD}\n{A},LCD - 1\n{A},LCD - 1\n{B},LCD - 2\nbad tip,LCD - 2\n")
    conn.execute("INSERT INTO noggin_data (tip) VALUES (%s)", (B,))

    report = load(conn, path, dry_run=True)

    assert counts(report) == (4, 1, 1, 1, 1)
    assert (report.source_id, report.typed) == (None, 1)
    assert [row[0] for row in stored(conn)] == [B]
    assert sources.listed(conn, limit=9) == []
    assert counts(load(conn, path)) == counts(report)


def test_load_teaches_the_type_when_a_known_tip_has_none(
    conn: session.Connection, tmp_path: Path
) -> None:
    conn.execute(
        "INSERT INTO noggin_data (tip, processing_status, permanently_failed, retry_count,"
        " last_error_message) VALUES (%s, 'api_failed', true, 3, 'unknown_type'),"
        " (%s, 'pending', true, 0, 'unknown_type'), (%s, 'skipped', false, 0, NULL)",
        (A, B, C),
    )
    path = tmp_path / "export.csv"
    path.write_text(f"{HEAD}\n{A},LCD - 1\n{B},,C - 1\n{C},LCD - 2\n")

    report = load(conn, path)

    assert (report.imported, report.known, report.typed) == (0, 3, 3)
    assert sorted(stored(conn)) == sorted([(A, "LCD"), (B, "CCC")])
    rows = conn.execute(
        "SELECT processing_status, permanently_failed, retry_count, object_code FROM noggin_data"
        " ORDER BY array_position(%s, tip)",
        ([A, B, C],),
    ).fetchall()
    assert rows == [
        ("pending", False, 0, "LCD"), ("pending", False, 0, "CCC"), ("skipped", False, 0, "LCD"),
    ]  # fmt: skip


def test_load_leaves_a_known_type_alone(conn: session.Connection, tmp_path: Path) -> None:
    conn.execute("INSERT INTO noggin_data (tip, object_type) VALUES (%s, 'My own')", (A,))
    path = tmp_path / "export.csv"
    path.write_text(f"{HEAD}\n{A},LCD - 1\n")

    assert load(conn, path).typed == 0
    assert conn.execute("SELECT object_type FROM noggin_data").fetchone() == ("My own",)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_load_reads_another_encoding_when_it_is_named(
    conn: session.Connection, tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(f"{HEAD}\n{A},LCD - 1,,,café\n".encode(encoding))

    load(conn, path, encoding=encoding)

    assert conn.execute("SELECT expected_team FROM noggin_data").fetchone() == ("café",)
