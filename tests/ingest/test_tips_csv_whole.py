"""A CSV export is taken whole or not at all: unusable, changed, killed, loaded twice at once."""

import io
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.ingest import text_file, tips_csv
from noggin_mp.store import session, sources
from tests.support import postgres
from tests.support.exports import HEAD, A, B, C, load, order, stored
from tests.support.tips import tip
from tests.support.wait import until


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
