"""`import` and `sources`: reports, exit codes, and the mistakes every new user makes."""

from pathlib import Path

import pytest

from noggin_mp.store import session, sources
from tests.support.command import Command
from tests.support.tips import tip

HEAD = "nogginId,lcdInspectionId,couplingId\n"


@pytest.fixture
def noggin(tmp_path: Path, migrated: str) -> Command:
    return Command(tmp_path, migrated)


def write(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_import_reports_and_exits_0_when_all_rows_are_good(noggin: Command, tmp_path: Path) -> None:
    export = write(tmp_path, "a.csv", f"{HEAD}{tip(1)},LCD - 1\n{tip(2)},,C - 1\n")

    done = noggin("import", export)

    assert (done.code, done.err) == (0, "")
    assert "2 rows read: 2 imported, 0 already known, 0 duplicates" in done.out


def test_import_exits_1_and_names_the_rows_when_some_are_rejected(
    noggin: Command, tmp_path: Path
) -> None:
    rows = "".join(f"bad {number},LCD - 1\n" for number in range(25))
    export = write(tmp_path, "a.csv", f"{HEAD}{tip(1)},LCD - 1\n{rows}")

    done = noggin("import", export)
    again = noggin("import", export, "--json")

    assert done.code == 1
    assert "row 3: 'bad 0' is no TIP" in done.out
    assert "and 5 more: noggin-mp sources show 1" in done.out
    (file,) = again.json["files"]
    assert (file["imported"], file["known"], file["rejected"], file["same_as"]) == (0, 1, 25, 1)
    assert len(file["rejects"]) == 20


def test_import_makes_the_tables_when_the_database_is_empty(tmp_path: Path, database: str) -> None:
    noggin = Command(tmp_path, database)
    export = write(tmp_path, "a.csv", f"{HEAD}{tip(1)},LCD - 1\n")

    done = noggin("import", export)

    assert done.code == 0
    assert "made the tables" in done.err
    assert noggin("status", "--json").json["queue"]["ready"] == 1


def test_import_takes_no_file_when_one_of_several_is_unusable(
    noggin: Command, tmp_path: Path, conn: session.Connection
) -> None:
    good = write(tmp_path, "a.csv", f"{HEAD}{tip(1)},LCD - 1\n")
    bad = write(tmp_path, "b.csv", "name,age\nbob,3\n")

    done = noggin("import", good, bad)

    assert done.code == 3
    assert "b.csv has no TIP column: column 1 is 'name'" in done.err
    assert len(done.err.splitlines()) == 1
    assert conn.execute("SELECT count(*) FROM noggin_data").fetchone() == (0,)


@pytest.mark.parametrize(
    ("content", "words", "code", "says"),
    [
        (b"nogginId\nabc\n", [], 3, "--type"),
        (b"nogginId\nabc\n", ["--type", "LCF"], 2, "did you mean LC"),
        (b"nogginId\nabc\n", ["--lookups", "vehicle"], 3, "no name column"),
        (b"hash,name\nabc,x\n", ["--lookups", "vehicel"], 2, "did you mean vehicle?"),
        (b"nogginId\nabc\n", ["--lookups", "team", "--type", "LCD"], 2, "exclude each other"),
        (b"nogginId,couplingId\nabc\xff\n", [], 3, "row 2, byte 23 cannot be decoded"),
        (b"nogginId,couplingId\nabc\n", ["--encoding", "klingon"], 2, "klingon"),
    ],
)
def test_import_says_what_is_wrong(
    noggin: Command, tmp_path: Path, content: bytes, words: list[str], code: int, says: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)

    done = noggin("import", str(path), *words)

    assert (done.code, done.out) == (code, "")
    assert says in done.err


def test_import_with_a_type_takes_a_file_of_bare_tips(noggin: Command, tmp_path: Path) -> None:
    export = write(tmp_path, "a.csv", f"tip\n{tip(1)}\n")

    assert noggin("import", export, "--type", "site observations").code == 0
    assert noggin("tips", "list", "--json").json["tips"][0]["object_code"] == "SO"


def test_import_dry_run_changes_nothing(noggin: Command, tmp_path: Path) -> None:
    export = write(tmp_path, "a.csv", f"{HEAD}{tip(1)},LCD - 1\n")

    assert "1 would be imported" in noggin("import", export, "--dry-run").out
    assert noggin("sources", "list").out == "no file was loaded\n"


def test_import_is_audited(noggin: Command, tmp_path: Path, conn: session.Connection) -> None:
    noggin("import", write(tmp_path, "a.csv", f"{HEAD}{tip(1)},LCD - 1\n"))

    row = conn.execute("SELECT action, target, affected, who LIKE '%@%' FROM audit_log").fetchone()
    assert row == ("import", "a.csv", 1, True)


def test_sources_show_lists_the_rejected_rows(noggin: Command, tmp_path: Path) -> None:
    noggin("import", write(tmp_path, "a.csv", f"{HEAD}{tip(1)},LCD - 1\nbad tip,\n"))

    (listed,) = noggin("sources", "list", "--json").json["sources"]
    shown = noggin("sources", "show", str(listed["source_id"]), "--json").json

    assert (shown["filename"], shown["rows_imported"], shown["tips"]) == (
        "a.csv",
        1,
        {"pending": 1},
    )
    assert [one["row_number"] for one in shown["rejects"]] == [3]
    assert "bad tip" in noggin("sources", "show", str(listed["source_id"])).out
    assert noggin("sources", "show", "99").code == 3


def test_import_says_5_when_the_database_goes_away_meanwhile(
    noggin: Command, tmp_path: Path, conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(connection: session.Connection) -> None:
        conn.execute("SELECT pg_terminate_backend(%s, 60000)", (connection.info.backend_pid,))

    monkeypatch.setattr(sources, "no_deadline", cut)

    done = noggin("import", write(tmp_path, "a.csv", f"{HEAD}{tip(1)},LCD - 1\n"))

    assert done.code == 5
    assert len(done.err.splitlines()) == 1
