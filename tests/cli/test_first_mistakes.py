"""The mistakes of the first five minutes: what is typed or written wrong, and the sentence told.

Each is met by a real process: one sentence that names the place and the fix, and the exit code.
"""

import re
from pathlib import Path

import click
import pytest
from psycopg import conninfo

from noggin_mp.cli import main
from noggin_mp.store import session
from tests.support.newcomer import ROOT, Newcomer
from tests.support.tips import tip

SECRET = "s3cr3t-pa55"
HEAD = "nogginId,lcdInspectionId,couplingId"


@pytest.fixture
def newcomer(tmp_path: Path, migrated: str) -> Newcomer:
    return Newcomer(tmp_path, migrated)


def imported(conn: session.Connection) -> int:
    row = conn.execute("SELECT count(*) FROM noggin_data").fetchone()
    return int(row[0]) if row else -1


# -- the database ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dsn", "says"),
    [
        (f"postgresql://me:{SECRET}@no.such.host.invalid/db", "no.such.host.invalid/db"),
        (f"postgresql://me:{SECRET}@127.0.0.1:1/db", "127.0.0.1:1/db"),
        (f"postgresql://me:{SECRET}@/db?host=/no/such/folder", "/no/such/folder/db"),
        (f"postgresql://me:a@{SECRET}@host/db", "the database DSN cannot be read; write it as"),
        (f"host= password={SECRET}", "the database DSN cannot be read; write it as"),
    ],
)
def test_run_says_5_and_where_when_the_dsn_is_wrong(tmp_path: Path, dsn: str, says: str) -> None:
    newcomer = Newcomer(tmp_path, dsn)

    told = newcomer.refused(5, "run")

    assert says in told
    assert "check database.dsn" in told or "percent-encoded" in told
    assert len(told.splitlines()) == 1
    assert SECRET not in told


def test_run_says_5_when_the_database_does_not_exist(newcomer: Newcomer) -> None:
    newcomer.settings["database"]["dsn"] = conninfo.make_conninfo(
        newcomer.dsn, dbname="no_such_database", password=SECRET
    )

    error = newcomer.fault(5, "run")

    assert error["code"] == "database.unreachable"
    assert 'database "no_such_database" does not exist' in error["message"]
    assert error["remedy"] == "create it, or correct database.dsn"
    assert SECRET not in str(error)


@pytest.mark.parametrize("dsn", [f"mysql://me:{SECRET}@h/db", f"postgres:/me:{SECRET}@h/db"])
def test_every_verb_says_3_when_the_dsn_is_none(tmp_path: Path, dsn: str) -> None:
    told = Newcomer(tmp_path, dsn).refused(3, "status")

    assert f"{tmp_path / 'noggin.yaml'}:1:" in told
    assert "database.dsn is no Postgres DSN; write it like postgresql://" in told
    assert SECRET not in told


def test_verbs_say_3_when_the_schema_is_not_the_programs(
    newcomer: Newcomer, conn: session.Connection
) -> None:
    conn.execute(
        "INSERT INTO schema_migrations (version, name, sha256, applied_by)"
        " SELECT 9999, 'later', sha256, 'x' FROM schema_migrations WHERE version = 1"
    )
    newer = newcomer.fault(3, "run")
    assert newer["code"] == "database.schema"
    assert "is at version 9999, newer than this program's" in newer["message"]
    assert "install the version of noggin-mp that migrated it" in newer["remedy"]

    conn.execute("DELETE FROM schema_migrations WHERE version = 9999")
    conn.execute("UPDATE schema_migrations SET sha256 = 'other' WHERE version = 2")
    told = newcomer.refused(3, "status")
    assert "sql/migrations/0002_queue.sql was altered after it was applied" in told

    conn.execute("DELETE FROM schema_migrations WHERE version > 1")
    for verb in ("run", "health"):
        done = newcomer.run(verb)
        assert done.returncode == 3
        assert "is at version 1, older than this program's" in done.stdout + done.stderr
        assert "run noggin-mp db migrate" in done.stdout + done.stderr


# -- the token ------------------------------------------------------------------------------------


def test_run_says_4_when_there_is_no_token(newcomer: Newcomer) -> None:
    del newcomer.settings["api"]["token"]
    assert newcomer.refused(4, "run") == (
        "there is no API token;"
        " set api.token_file (or api.token: ${NOGGIN_TOKEN}) in the configuration"
    )
    assert newcomer.fault(4, "run", "--until-drained")["code"] == "credentials"


def test_run_says_4_when_the_token_file_is_missing_or_empty(newcomer: Newcomer) -> None:
    file = newcomer.folder / "token"
    del newcomer.settings["api"]["token"]
    newcomer.settings["api"]["token_file"] = str(file)
    told = newcomer.refused(4, "run")
    assert told.startswith(f"the token file {file} does not exist; create it with mode 0600")

    file.touch(0o600)
    assert newcomer.refused(4, "run") == f"the token file {file} is empty; put the token there"

    file.write_text(f"two {SECRET}\n")
    told = newcomer.refused(4, "run")
    assert f"{file} holds something else than one token" in told
    assert SECRET not in told


def test_run_notes_once_that_everybody_may_read_the_token_file(newcomer: Newcomer) -> None:
    file = newcomer.folder / "token"
    file.touch(0o644)
    file.write_text(f"{SECRET}\n")
    del newcomer.settings["api"]["token"]
    newcomer.settings["api"]["token_file"] = str(file)

    done = newcomer.run("run", "--until-drained", "--workers", "2", "--threads", "1")

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("can be read by every user") == 1
    assert f"{file} can be read by every user; run: chmod 600 {file}\n" in done.stderr
    assert SECRET not in done.stderr


# -- the configuration ----------------------------------------------------------------------------


def test_verbs_say_3_with_line_column_and_caret_when_the_yaml_is_broken(tmp_path: Path) -> None:
    newcomer = Newcomer(tmp_path, "")
    newcomer.write(f"api:\n  token: {SECRET}\n  namespace: a: b\n")

    for verb in (["run"], ["config", "check"]):
        sentence, line, caret = newcomer.refused(3, *verb).splitlines()
        assert sentence.startswith(f"{newcomer.config}:3:15: is not valid YAML: ")
        assert sentence.endswith("a value with ': ' in it needs quotes")
        assert (line, caret) == ("  3 |   namespace: a: b", "    |               ^")


def test_run_tells_all_faults_at_once_when_keys_and_values_are_wrong(tmp_path: Path) -> None:
    newcomer = Newcomer(tmp_path, "")
    newcomer.write(
        "apy:\n  tokn: abc\nfleet:\n  worker: 3\n  threads: many\n"
        "queue: 7\nretry:\n  max_attempts: 0\nretry: {}\n"
    )
    place = str(newcomer.config)

    assert newcomer.refused(3, "run").splitlines() == [
        f"the configuration {place} has 6 faults",
        f'  {place}:1:1: unknown key "apy"; did you mean "api"?',
        f'  {place}:4:3: unknown key "fleet.worker"; did you mean "workers"?',
        f'  {place}:5:12: fleet.threads must be a whole number ("many")',
        f"  {place}:6:8: queue must be a section with keys of its own; indent its keys under it",
        f"  {place}:8:17: retry.max_attempts must be at least 1 (0)",
        f'  {place}:9:1: the key "retry" is given twice; line 7 has it already',
    ]
    problems = newcomer.fault(3, "run")["problems"]
    assert [(one["line"], one["column"]) for one in problems][:2] == [(1, 1), (4, 3)]
    assert problems[1]["remedy"] == 'did you mean "workers"?'


def test_config_check_is_content_when_it_reads_the_file_that_is_shipped(tmp_path: Path) -> None:
    newcomer = Newcomer(tmp_path, "")
    newcomer.config = ROOT / "config" / "noggin.yaml"

    done = newcomer.run("config", "check")

    assert done.returncode == 0
    assert "no fault found" in done.stdout


# -- the CSV --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (f"name,{HEAD}\nbob,{tip(1)}\n", "has no TIP column: column 1 is 'name'"),
        (f"nogginId,colour\n{tip(1)},red\n", "name it with --type (CCC, FPI, LCD, LCS, SO, TA)"),
        ("", "is empty: not even a header line"),
    ],
)
def test_import_says_3_when_the_csv_is_none_of_ours(
    newcomer: Newcomer, conn: session.Connection, content: str, says: str
) -> None:
    export = newcomer.folder / "export.csv"
    export.write_text(content)

    told = newcomer.refused(3, "import", str(export))

    assert told.startswith(str(export))
    assert says in told
    assert imported(conn) == 0


def test_import_takes_a_byte_order_mark_without_a_word(
    newcomer: Newcomer, conn: session.Connection
) -> None:
    export = newcomer.folder / "export.csv"
    export.write_text(f"{HEAD}\r\n{tip(1)},LCD - 1,\r\n", encoding="utf-8-sig")

    done = newcomer.run("import", str(export))

    assert (done.returncode, done.stderr) == (0, "")
    assert "1 imported" in done.stdout
    assert imported(conn) == 1


def test_import_names_row_and_byte_and_the_encoding_when_it_is_not_utf8(
    newcomer: Newcomer, conn: session.Connection
) -> None:
    export = newcomer.folder / "export.csv"
    text = f"{HEAD},site\n{tip(1)},LCD - 1,,Perth\n{tip(2)},LCD - 2,,Caf\xe9\n"
    export.write_text(text, encoding="cp1252")

    assert newcomer.refused(3, "import", str(export)) == (
        f"{export} is not UTF-8: row 3, byte {text.index(chr(233))} cannot be decoded;"
        " nothing was imported; name the file's encoding, for example --encoding cp1252"
    )
    assert imported(conn) == 0
    assert newcomer.run("import", str(export), "--encoding", "cp1252").returncode == 0
    assert imported(conn) == 2


# -- the command line -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["runn"], 'there is no verb "runn"; did you mean "run"? see noggin-mp --help'),
        (["run", "--worker", "3"], "'--workers'"),
        (["db", "migrat"], "did you mean 'migrate'?"),
        (["import"], "missing argument 'FILE...|-'; see noggin-mp import --help"),
    ],
)
def test_a_slip_of_the_finger_says_2_and_what_was_meant(
    tmp_path: Path, words: list[str], says: str
) -> None:
    newcomer = Newcomer(tmp_path, "")
    assert says.lower() in newcomer.refused(2, *words).lower()


def test_json_errors_carry_a_code_when_the_line_itself_is_wrong(tmp_path: Path) -> None:
    error = Newcomer(tmp_path, "").fault(2, "statsu")
    assert (error["code"], error["message"]) == (
        "usage",
        'there is no verb "statsu"; did you mean "status"?',
    )


def test_every_remedy_names_a_verb_that_there_is() -> None:
    named = re.compile(r"(?:run|see|with|by) noggin-mp ([a-z]+)(?: ([a-z]+))?")
    said = [
        (path.name, *found)
        for path in (ROOT / "noggin_mp").rglob("*.py")
        for found in named.findall(path.read_text("utf-8"))
    ]
    assert len(said) > 10
    for place, verb, inner in said:
        assert verb in main.VERBS, (place, verb)
        command = main.root.get_command(click.Context(main.root), verb)
        assert inner in ("", "again", *getattr(command, "commands", (inner,))), (place, verb, inner)


@pytest.mark.parametrize("verb", main.VERBS)
def test_help_has_examples_for_every_verb(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = main.root.get_command(click.Context(main.root), verb)
    for inner in ["", *getattr(command, "commands", ())]:
        assert main.run([verb, *inner.split(), "--help"]) == 0
        assert "Examples:" in capsys.readouterr().out, (verb, inner)
