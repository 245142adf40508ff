"""Lists of names into entity_hashes, and what they resolve."""

from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.ingest import lookups_csv, text_file
from noggin_mp.store import session, sources
from tests.support import hashes
from tests.support.tips import tip


def load(
    conn: session.Connection, path: Path, kind: str = "vehicle", *, dry_run: bool = False
) -> lookups_csv.Report:
    order = lookups_csv.Order(kind=kind, loaded_by="somebody@somewhere", dry_run=dry_run)
    with text_file.opened(str(path)) as file:
        return lookups_csv.load(conn, file, order)


def counts(report: lookups_csv.Report) -> tuple[int, ...]:
    return (
        report.read, report.added, report.renamed, report.unchanged, report.duplicates,
        report.rejected,
    )  # fmt: skip


def test_load_adds_renames_and_leaves_names(conn: session.Connection, tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text(f"hash,name\n{tip(1)},Old\n{tip(2)},Same\n")
    load(conn, path)
    path.write_text(
        f"TIP,VALUE\n{tip(1)},Older\n{tip(1)},New\n{tip(2)},Same\n{tip(3)},Third\n{tip(4)},\n"
    )

    report = load(conn, path)

    assert counts(report) == (5, 1, 1, 1, 1, 1)
    assert [one.line for one in report.rejects] == [6]
    assert hashes.names(conn, [tip(n) for n in (1, 2, 3, 4)]) == {
        tip(1): "New", tip(2): "Same", tip(3): "Third",
    }  # fmt: skip


def test_load_resolves_unknown_hashes(conn: session.Connection, tmp_path: Path) -> None:
    hashes.seen_unknown(conn, [("vehicle", tip(1)), ("trailer", tip(2))])
    path = tmp_path / "names.csv"
    path.write_text(f"nogginId,assetName,assetType\n{tip(1).upper()},Truck 7,PRIME MOVER\n")

    assert load(conn, path).resolved == 1

    rows = conn.execute(
        "SELECT hash_value, resolved_value FROM unknown_hashes WHERE resolved_at IS NOT NULL"
    ).fetchall()
    assert rows == [(tip(1), "Truck 7")]


def test_dry_run_changes_no_name(conn: session.Connection, tmp_path: Path) -> None:
    hashes.seen_unknown(conn, [("vehicle", tip(1))])
    path = tmp_path / "names.csv"
    path.write_text(f"hash,name\n{tip(1)},Truck\n")

    report = load(conn, path, dry_run=True)

    assert (report.added, report.resolved, report.source_id) == (1, 1, None)
    assert hashes.names(conn, [tip(1)]) == {}


def test_load_remembers_a_file_once(conn: session.Connection, tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text(f"hash,name\n{tip(1)},Truck\n")

    first, second = load(conn, path), load(conn, path)

    assert first.source_id == second.source_id
    assert [row["kind"] for row in sources.listed(conn, limit=9)] == ["lookups:vehicle"]


def test_load_takes_nothing_when_a_quote_is_never_closed(
    conn: session.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "names.csv"
    path.write_text(f'hash,name\n{tip(1)},Truck\n{tip(2)},"Van\n')

    with pytest.raises(errors.InputError, match="line 3"):
        load(conn, path)

    assert hashes.names(conn, [tip(1)]) == {}
