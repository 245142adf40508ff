"""CSV exports into real tables: every oddity of real files, and all or nothing."""

import io
import multiprocessing
import os
import signal
import sys
import zoneinfo
from collections.abc import Callable
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.ingest import text_file, tips_csv
from noggin_mp.settings import object_types
from noggin_mp.store import session, sources
from tests.support import postgres
from tests.support.tips import tip
from tests.support.wait import until

CATALOGUE = object_types.load()
PERTH = zoneinfo.ZoneInfo("Australia/Perth")
HEAD = "nogginId,lcdInspectionId,couplingId,date,team"


def order(
    asked: str = "", *, dry_run: bool = False, progress: Callable[[int], None] = lambda _: None
) -> tips_csv.Order:
    return tips_csv.Order(
        catalogue=CATALOGUE,
        zone=PERTH,
        asked=CATALOGUE.find(asked) if asked else None,
        loaded_by="somebody@somewhere",
        dry_run=dry_run,
        progress=progress,
    )


def load(
    conn: session.Connection,
    path: Path,
    asked: str = "",
    *,
    encoding: str | None = None,
    dry_run: bool = False,
) -> tips_csv.Report:
    with text_file.opened(str(path), encoding=encoding) as file:
        return tips_csv.load(conn, file, order(asked, dry_run=dry_run))


def counts(report: tips_csv.Report) -> tuple[int, int, int, int, int]:
    return (report.read, report.imported, report.known, report.duplicates, report.rejected)


def stored(conn: session.Connection) -> list[tuple[object, ...]]:
    """What the queue would hand out, in its order."""
    return conn.execute(
        "SELECT d.tip, d.object_code FROM ready r JOIN noggin_data d USING (tip, gen)"
        " ORDER BY r.prio, r.seq"
    ).fetchall()


A, B, C = tip(1), tip(2), tip(3)


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


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\n\n  \n", "is empty", id="only-blank-lines"),
        pytest.param(b"name,age\nbob,3\n", "no TIP column.*name, age", id="no-tip-column"),
        pytest.param(f"nogginId\n{A}\n".encode(), "does not say what type", id="no-type"),
        pytest.param(f"{A},LCD - 1\n".encode(), "no header line", id="no-header"),
        pytest.param(
            f'{HEAD}\n{A},LCD - 1\n{B},"LCD - 2\n{C},LCD - 3\n'.encode(),
            "starts on line 3 has a quote that is never closed", id="open-quote"),
        pytest.param(
            f'{HEAD}\n{A},LCD - 1\n{B},"'.encode() + b"x" * 200_000,
            "starts on line 3 has a quote that is never closed", id="endless-cell"),
        pytest.param(
            f"{HEAD}\n{A},LCD - 1\n{B},LCD - 2,,,caf".encode() + b"\xe9\n",
            r"row 3, byte 197 cannot be decoded; nothing was imported.*--encoding cp1252",
            id="latin-1"),
        pytest.param(
            f"{HEAD}\n{A},LCD - 1\n".encode("utf-16"), "row 1, byte 0 .*--encoding utf-16",
            id="utf-16"),
        pytest.param(
            f"{HEAD}\n".encode() + b"x" * (1 << 20) + b"\xe2\x82",
            f"row 2, byte {len(HEAD) + 1 + (1 << 20)} ", id="cut-character"),
    ],
)  # fmt: skip
def test_load_takes_nothing_when_the_file_is_unusable(
    conn: session.Connection, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(content)

    with pytest.raises(errors.InputError, match=words):
        load(conn, path)

    assert stored(conn) == []
    assert sources.listed(conn, limit=9) == []


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8-sig"])
def test_load_reads_another_encoding_when_it_is_named(
    conn: session.Connection, tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(f"{HEAD}\n{A},LCD - 1,,,café\n".encode(encoding))

    load(conn, path, encoding=encoding)

    assert conn.execute("SELECT expected_team FROM noggin_data").fetchone() == ("café",)


@pytest.mark.parametrize("encoding", ["klingon", "base64"])
def test_opened_refuses_an_encoding_that_is_none(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "export.csv"
    path.write_text("x")

    with (
        pytest.raises(errors.UsageError, match=encoding),
        text_file.opened(str(path), encoding=encoding),
    ):
        pass


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_opened_refuses_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    with (
        pytest.raises(errors.InputError, match="cannot read"),
        text_file.opened(str(tmp_path / name)),
    ):
        pass


def test_opened_spools_what_comes_through_a_pipe(
    conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.write(writer, f"{HEAD}\n{A},LCD - 1\n".encode())
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
        report = load(conn, Path("-"))

    assert (report.file, report.imported) == ("standard input", 1)


def test_load_takes_nothing_when_the_file_changes_meanwhile(
    conn: session.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "export.csv"
    path.write_text(f"{HEAD}\n{A},LCD - 1\n")

    with text_file.opened(str(path)) as file, path.open("a") as more:
        more.write(f"{B},LCD - 2\n")
        more.flush()
        with pytest.raises(errors.InputError, match="changed while it was read"):
            tips_csv.load(conn, file, order())

    assert stored(conn) == []


def _big(path: Path, rows: int) -> None:
    with path.open("w") as file:
        file.write(HEAD + "\n")
        file.writelines(f"{tip(number)},LCD - {number}\n" for number in range(rows))


def _load_elsewhere(dsn: str, path: str, begun: str, hold: bool) -> None:
    """A loader process; with `hold` it stops half-way, for somebody to kill it."""

    def progress(_: int) -> None:
        Path(begun).touch()
        if hold:
            signal.pause()

    with (
        session.connect(dsn, schema=postgres.SCHEMA, application_name="loader") as connection,
        text_file.opened(path) as file,
    ):
        tips_csv.load(connection, file, order(progress=progress))


def test_load_leaves_nothing_when_it_is_killed_half_way(
    conn: session.Connection, migrated: str, tmp_path: Path
) -> None:
    path, begun = tmp_path / "export.csv", tmp_path / "begun"
    _big(path, tips_csv.BATCH_ROWS + 10)
    context = multiprocessing.get_context("spawn")
    loader = context.Process(target=_load_elsewhere, args=(migrated, str(path), str(begun), True))
    loader.start()
    until(begun.exists, timeout_s=120)
    loader.kill()
    loader.join()

    until(
        lambda: (
            conn.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'loader'"
                " AND datname = current_database()"
            ).fetchone()
            == (0,)
        ),
        timeout_s=60,
    )
    assert stored(conn) == []
    assert sources.listed(conn, limit=9) == []
    assert load(conn, path).imported == tips_csv.BATCH_ROWS + 10


def test_load_imports_each_tip_once_when_two_processes_load_the_same_file(
    conn: session.Connection, migrated: str, tmp_path: Path
) -> None:
    path = tmp_path / "export.csv"
    _big(path, 3_000)
    context = multiprocessing.get_context("spawn")
    loaders = [
        context.Process(target=_load_elsewhere, args=(migrated, str(path), f"{path}.{n}", False))
        for n in (1, 2)
    ]
    for loader in loaders:
        loader.start()
    for loader in loaders:
        loader.join(180)

    assert [loader.exitcode for loader in loaders] == [0, 0]
    assert len(stored(conn)) == 3_000
    assert [row["rows_imported"] for row in sources.listed(conn, limit=9)] == [3_000]
