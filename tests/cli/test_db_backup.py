"""`db backup`: a dump that gives everything back, whole or not at all, and only so many of them."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from psycopg import conninfo

from noggin_mp.store import binaries, session
from tests.support import postgres
from tests.support.command import Command

SECRET = "s3cr3t-pa55"


@pytest.fixture
def major(conn: session.Connection) -> int:
    """The version of the tests' server."""
    return conn.info.server_version // 10_000


@pytest.fixture
def noggin(tmp_path: Path, migrated: str, major: int, monkeypatch: pytest.MonkeyPatch) -> Command:
    """With the programs of the server's version on PATH where there are any, else newer ones."""
    programs = Path(f"/usr/lib/postgresql/{major}/bin")  # where Debian keeps them
    if not (programs / "pg_restore").exists():
        programs = binaries.find().path("pg_dump").parent
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return Command(tmp_path, migrated)


def skip_unless_same(program: str, major: int) -> None:
    """pg_restore writes for a server of its own version; an older one knows not all of it."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if f" {major}." not in told:
        pytest.skip(f"{told.strip()} cannot write into Postgres {major}")


def test_backup_gives_everything_back(
    noggin: Command, conn: session.Connection, database: str, major: int
) -> None:
    skip_unless_same("pg_restore", major)
    conn.execute("INSERT INTO noggin_data (tip) VALUES ('t1'), ('t2')")
    folder = noggin.folder / "backup"
    done = noggin("db", "backup", "--dir", str(folder), "--json")

    assert done.code == 0, done.err
    (file,) = folder.iterdir()
    assert done.json["file"] == str(file)
    assert done.json["size_bytes"] == file.stat().st_size
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (folder, file)]
    assert modes == [0o700, 0o600]
    restored = subprocess.run(
        ["pg_restore", "--no-owner", "--exit-on-error", f"--dbname={database}", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert restored.returncode == 0, restored.stderr
    with session.connect(database, schema=postgres.SCHEMA, application_name="tests") as other:
        assert other.execute("SELECT count(*) FROM ready").fetchone() == (2,)


def test_backup_keeps_so_many_of_its_own(noggin: Command) -> None:
    name = conninfo.conninfo_to_dict(noggin("db", "status", "--json").json["dsn"])["dbname"]
    folder = noggin.folder / "backup"
    folder.mkdir()
    old = [folder / f"{name}_2025010{day}_020000.dump" for day in (1, 2, 3)]
    others = [folder / "other_20250101_020000.dump", folder / f"{name}_notes.dump"]
    for file in (*old, *others):
        file.touch()
    done = noggin("db", "backup", "--dir", str(folder), "--keep", "2", "--json")

    assert sorted(done.json["removed"]) == [str(one) for one in old[:2]]
    assert {*old[2:], *others, Path(done.json["file"])} == set(folder.iterdir())


def test_backup_leaves_nothing_when_the_database_is_away(noggin: Command) -> None:
    folder = noggin.folder / "backup"
    away = Command(noggin.folder, f"postgresql://n:{SECRET}@127.0.0.1:1/x")
    done = away("db", "backup", "--dir", str(folder))

    assert done.code == 5
    assert "pg_dump cannot reach 127.0.0.1:1/x" in done.err
    assert SECRET not in done.err
    assert list(folder.iterdir()) == []


def test_backup_shows_no_password_in_the_list_of_processes(
    noggin: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin"
    fake.mkdir()
    told = tmp_path / "told"
    (fake / "pg_dump").write_text(f'#!/bin/sh\necho "$@" >{told}; echo "$PGPASSWORD" >{told}.env\n')
    (fake / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
    Command(tmp_path, f"postgresql://n:{SECRET}@db/x")("db", "backup", "--dir", str(tmp_path / "b"))

    assert SECRET not in told.read_text()
    assert (tmp_path / "told.env").read_text().strip() == SECRET


@pytest.mark.parametrize(
    ("said", "code", "remedy"),
    [
        ("pg_dump: error: could not write: No space left on device", 8, "make room"),
        ("pg_dump: error: aborting because of server version mismatch", 3, "postgresql-client"),
        ("pg_dump: error: permission denied for table x", 5, "run it by hand"),
    ],
)
def test_backup_says_what_to_do_when_pg_dump_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, code: int, remedy: str
) -> None:
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "pg_dump").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    (fake / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake}:{os.environ['PATH']}")
    done = Command(tmp_path, "postgresql://n@db/x")("db", "backup", "--dir", str(tmp_path / "b"))

    assert done.code == code
    assert remedy in done.err
    assert list((tmp_path / "b").iterdir()) == []


def test_backup_says_what_to_install_when_there_is_no_pg_dump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    done = Command(tmp_path, "postgresql://n@db/x")("db", "backup", "--dir", str(tmp_path / "b"))

    assert done.code == 3
    assert "install postgresql-client" in done.err
