"""The mistakes of the first five minutes that the machine answers: folders, ports, processes."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from noggin_mp.store import embedded, session
from tests.support import fleet, postgres, wait
from tests.support.newcomer import Newcomer
from tests.support.pooler import needs_pgbouncer, pooled

SETPRIV = shutil.which("setpriv")
ROOT = os.geteuid() == 0
# Root without the right to ignore permission bits meets folders as anybody else does.
BOUND = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]
SECRET = "s3cr3t-pa55"


@pytest.fixture
def newcomer(tmp_path: Path, migrated: str) -> Newcomer:
    return Newcomer(tmp_path, migrated)


def me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


# -- folders --------------------------------------------------------------------------------------


def test_run_says_8_and_the_command_when_a_file_is_in_the_way(newcomer: Newcomer) -> None:
    newcomer.output.write_text("a file")

    assert newcomer.refused(8, "run") == (
        f"cannot use as a folder {newcomer.output}: Not a directory; remove what stands in its way,"
        f" then run: sudo install -d -o {me()} -m 750 {newcomer.output}"
    )
    newcomer.output.unlink()
    newcomer.settings["paths"]["state"] = str(newcomer.config)
    newcomer.write()
    told = newcomer.refused(8, "run")
    assert told.startswith(f"paths.state: {newcomer.config} cannot be used (not a directory)")
    assert "then run: sudo install -d -m 0750" in told


def test_run_says_8_and_the_command_when_a_folder_may_not_be_written(newcomer: Newcomer) -> None:
    if ROOT and SETPRIV is None:
        pytest.skip("setpriv is not installed: permission bits do not bind root")
    before = BOUND if ROOT else []
    theirs = newcomer.folder / "theirs"
    theirs.mkdir()
    if ROOT:
        os.chown(theirs, pwd.getpwnam("nobody").pw_uid, -1)
    theirs.chmod(0o755 if ROOT else 0o555)

    newcomer.write(paths={"output": str(theirs)})
    told = newcomer.refused(8, "run", before=before)
    assert told == (
        f"cannot create a file in {theirs}: Permission denied; run: sudo chown -R {me()} {theirs}"
    )

    newcomer.write(paths={"output": str(theirs / "photos")})
    told = newcomer.refused(8, "run", before=before)
    assert told.endswith(f"run: sudo install -d -o {me()} -m 750 {theirs / 'photos'}")

    theirs.chmod(0o700 if ROOT else 0o000)
    told = newcomer.refused(8, "run", before=before)
    assert told.endswith(f"choose a folder {me()} can reach, or run: sudo chmod o+x {theirs}")
    theirs.chmod(0o755)


# -- ports ----------------------------------------------------------------------------------------


def test_run_and_monitor_say_8_and_by_whom_when_the_port_is_in_use(newcomer: Newcomer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        newcomer.write(monitor={"bind": f"127.0.0.1:{port}"})
        error = newcomer.fault(8, "run")
        assert error["code"] == "local.port_in_use"
        assert error["remedy"] == "stop it, or give monitor.bind another port"
        for told in (error["message"], newcomer.refused(8, "monitor")):
            assert f"port {port} on 127.0.0.1 is in use by process {os.getpid()} (" in told


# -- twice ----------------------------------------------------------------------------------------


@pytest.fixture
def running(newcomer: Newcomer, conn: session.Connection) -> Iterator["subprocess.Popen[bytes]"]:
    """A newcomer's fleet at work, with nothing to do."""
    newcomer.write()
    process = subprocess.Popen(
        newcomer.command("run", "--workers", "1", "--threads", "1"), cwd=newcomer.folder,
        env=newcomer.environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    state = newcomer.folder / "state" / "supervisor.json"
    beating = "SELECT 1 FROM fleet_workers WHERE state = 'running'"
    try:
        wait.until(
            lambda: state.exists() and '"state": "running"' in state.read_text(), timeout_s=180
        )
        wait.until(lambda: conn.execute(beating).fetchone(), timeout_s=180)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def test_a_second_fleet_says_7_and_who_is_there(
    newcomer: Newcomer, running: "subprocess.Popen[bytes]"
) -> None:
    told = newcomer.refused(7, "run")
    assert f"already works in {newcomer.folder / 'state'} as process {running.pid}" in told
    assert f"stop it with kill -TERM {running.pid}, or give this one another paths.state" in told

    newcomer.write(paths={"state": str(newcomer.folder / "other-state")})
    error = newcomer.fault(7, "run", "--workers", "1", "--threads", "1")
    assert error["code"] == "already_running"
    assert "another installation (instance " in error["message"]
    assert "works on this database under the host name" in error["message"]
    assert "give each installation its own fleet.host" in error["remedy"]

    newcomer.write(paths={"state": str(newcomer.folder / "other-state")}, fleet={"host": "another"})
    done = newcomer.run("run", "--until-drained", "--workers", "1", "--threads", "1")
    assert done.returncode == 0, done.stderr


# -- the database, again --------------------------------------------------------------------------


@needs_pgbouncer
def test_run_says_3_when_a_pooler_shares_sessions(newcomer: Newcomer) -> None:
    with pooled(newcomer.dsn, "transaction") as dsn:
        newcomer.settings["database"]["dsn"] = dsn
        for verb in (["run"], ["db", "migrate"]):
            told = newcomer.refused(3, *verb)
            assert "LISTEN and session locks need a direct or session-pooled DSN" in told
            assert "point database.dsn at Postgres itself, or set pool_mode = session" in told


def test_embedded_postgres_just_works_and_a_wrong_password_says_5() -> None:
    folder = postgres.scratch()
    newcomer = Newcomer(folder, "")
    try:
        done = newcomer.run("run", "--until-drained", "--workers", "1", "--threads", "1")
        assert done.returncode == 0, done.stderr
        assert newcomer.run("status").returncode == 0

        found = embedded.status(folder / "state")
        assert found is not None
        rules = found.data_directory / "pg_hba.conf"
        rules.write_text("local all guest scram-sha-256\n" + rules.read_text())
        sql = "CREATE ROLE guest LOGIN PASSWORD 'other'; SELECT pg_reload_conf()"
        assert newcomer.run("db", "psql", "--", "-c", sql).returncode == 0
        wrong = conninfo.make_conninfo(found.dsn, user="guest", password=SECRET)
        wait.until(lambda: "password" in why_not(wrong), timeout_s=60, what="the new rules")
        newcomer.write(database={"dsn": wrong})
        told = newcomer.refused(5, "run")
        assert 'password authentication failed for user "guest"' in told
        assert SECRET not in told
        newcomer.write(database={"dsn": conninfo.make_conninfo(found.dsn, user="guest")})
        told = newcomer.refused(5, "run")
        assert "no password supplied" in told
    finally:
        embedded.destroy(folder / "state")


def why_not(dsn: str) -> str:
    """Why nobody can connect so; empty when somebody can."""
    try:
        psycopg.connect(dsn).close()
    except psycopg.OperationalError as error:
        return str(error)
    return ""


# -- the shortest configuration -------------------------------------------------------------------

# Brings up the loopback of a new network namespace, then becomes the program named.
# Source: linux/sockios.h, SIOCSIFFLAGS; linux/if.h, IFF_UP.
LOOPBACK = """
import fcntl, os, socket, struct, sys
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))
os.execv(sys.argv[1], sys.argv[1:])
"""
OWN_NETWORK = ["unshare", "--net", sys.executable, "-c", LOOPBACK]


def test_the_shortest_configuration_is_enough_on_an_empty_database(
    tmp_path: Path, database: str
) -> None:
    apart = can_be_apart(database)
    with fleet.simulator(
        tmp_path, tips=30, options=["--missing", "0"], before=OWN_NETWORK if apart else ()
    ) as api:
        newcomer = Newcomer(tmp_path, database)
        newcomer.settings = {
            "database": {"dsn": database},
            "api": {"base_url": api.base_url, "token": api.token, "namespace": api.namespace},
            "paths": {"state": str(tmp_path / "state"), "output": str(tmp_path / "output")},
        }
        before = ["nsenter", f"--net=/proc/{api.process.pid}/ns/net"] if apart else []
        first = run_when_the_port_is_free(newcomer, before)
        assert (first.returncode, "the database was empty" in first.stderr) == (0, True), first
        assert newcomer.run("import", str(tmp_path / "export.csv")).returncode == 0
        done = run_when_the_port_is_free(newcomer, before)
        assert done.returncode == 0, done.stderr
        assert '"complete": 30' in newcomer.run("status", "--json").stdout


def can_be_apart(dsn: str) -> bool:
    """True when a network namespace of our own is to be had, and the database is no part of it."""
    local = str(conninfo.conninfo_to_dict(dsn).get("host", "")).startswith("/")
    if not (ROOT and local and shutil.which("unshare") and shutil.which("nsenter")):
        return False
    return subprocess.run([*OWN_NETWORK, "/bin/true"], check=False).returncode == 0


def run_when_the_port_is_free(
    newcomer: Newcomer, before: list[str]
) -> "subprocess.CompletedProcess[str]":
    """A run to its end on the default port, which somebody else's fleet may hold meanwhile."""

    def attempt() -> "subprocess.CompletedProcess[str] | None":
        done = newcomer.run("run", "--until-drained", before=before)
        return None if done.returncode == 8 and "is in use by" in done.stderr else done

    try:
        return wait.until(attempt, timeout_s=60, every_s=0.5)
    except AssertionError:
        pytest.skip("another process holds the default port of monitor.bind, 127.0.0.1:9109")
