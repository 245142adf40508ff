"""`token`: tried before it is taken, swapped whole, shown nowhere."""

import base64
import io
import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from noggin_mp.store import session
from tests.support import fault_server
from tests.support.command import Command

GOOD, BAD = "good-token-1", "refused-token-2"
pytestmark = pytest.mark.usefixtures("unhurried")


@pytest.fixture
def api() -> Iterator[fault_server.FaultServer]:
    """An API that knows one token, and no record."""
    with fault_server.running() as server:

        def handle(wire: fault_server.Wire) -> None:
            good = wire.request.headers["authorization"] == f"Bearer {GOOD}"
            wire.answer(fault_server.reply(status=404 if good else 401))

        server.handler = handle
        yield server


@pytest.fixture
def noggin(tmp_path: Path, migrated: str, api: fault_server.FaultServer) -> Command:
    """A site whose token is in a file, and is refused."""
    file = tmp_path / "token"
    file.write_text(BAD)
    file.chmod(0o640)
    given = {"base_url": api.base_url, "namespace": "n", "token_file": str(file)}
    return Command(tmp_path, migrated, api=given)


def give(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What is on stdin."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_check_tells_whether_the_api_takes_it(noggin: Command, tmp_path: Path) -> None:
    refused = noggin("token", "check", "--json")
    assert (refused.code, refused.json["ok"]) == (4, False)
    assert noggin("token", "check", "--offline").code == 0

    (tmp_path / "token").write_text(GOOD)
    taken = noggin("token", "check")
    assert (taken.code, "takes the token" in taken.out) == (0, True)
    (tmp_path / "token").unlink()
    assert noggin("token", "check").code == 4


def test_set_tries_the_token_and_swaps_the_file(
    noggin: Command, tmp_path: Path, conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    before = file.stat()
    give(monkeypatch, f"  {GOOD}\n")

    done = noggin("token", "set", "--reason", "rotation")

    assert (done.code, file.read_text()) == (0, f"{GOOD}\n"), done.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert file.stat().st_ino != before.st_ino
    assert f"it is in {file}; a running fleet takes it up by itself" in done.out
    assert GOOD not in done.out + done.err
    audited = conn.execute("SELECT action, target, reason, details FROM audit_log").fetchall()
    assert audited == [("token set", str(file), "rotation", None)]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["noggin.yaml", "token"]


def test_set_takes_nothing_that_is_refused_unless_forced(
    noggin: Command, tmp_path: Path, api: fault_server.FaultServer,
    conn: session.Connection, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    file = tmp_path / "token"
    give(monkeypatch, "another-refused")
    done = noggin("token", "set")
    assert (done.code, file.read_text()) == (4, BAD)
    assert "the API refuses the token (401)" in done.err
    assert "another-refused" not in done.out + done.err
    assert len(api.requests) == 1
    assert conn.execute("SELECT count(*) FROM audit_log").fetchone() == (0,)

    give(monkeypatch, "another-refused")
    forced = noggin("token", "set", "--force", "--json")
    assert (forced.json["accepted"], file.read_text()) == (False, "another-refused\n")
    assert conn.execute("SELECT details FROM audit_log").fetchone() == ({"forced": True},)


def test_set_takes_nothing_while_the_api_is_away(
    noggin: Command, tmp_path: Path, api: fault_server.FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.stop()
    give(monkeypatch, GOOD)
    assert noggin("token", "set").code == 6
    assert (tmp_path / "token").read_text() == BAD


@pytest.mark.parametrize("text", ["", "  \n", "two words", '"quoted"\nline', "ü"])
def test_set_takes_nothing_that_is_no_token(
    noggin: Command, tmp_path: Path, api: fault_server.FaultServer,
    monkeypatch: pytest.MonkeyPatch, text: str,
) -> None:  # fmt: skip
    give(monkeypatch, text)
    done = noggin("token", "set", "--force")
    assert (done.code, api.requests, (tmp_path / "token").read_text()) == (4, [], BAD)
    assert "what was given" in done.err


def test_dry_run_tries_and_changes_nothing(
    noggin: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 4_000_000_000}).encode()).decode()
    give(monkeypatch, GOOD)
    assert noggin("token", "set", "--dry-run", "--json").json["changed"] is False
    give(monkeypatch, f"a.{claims.rstrip('=')}.c")
    told = noggin("token", "set", "--dry-run", "--force", "--json").json
    assert told["expires_at"] == "2096-10-02T07:06:40+00:00"
    assert (tmp_path / "token").read_text() == BAD


def test_a_link_stays_a_link(
    noggin: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").rename(tmp_path / "real")
    (tmp_path / "token").symlink_to("real")
    give(monkeypatch, GOOD)
    assert noggin("token", "set").code == 0
    assert (tmp_path / "token").readlink() == Path("real")
    assert (tmp_path / "real").read_text() == f"{GOOD}\n"


def test_a_token_that_is_in_no_file_cannot_be_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(monkeypatch, GOOD)
    done = Command(tmp_path, "")("token", "set")
    assert (done.code, "the token comes from api.token" in done.err) == (3, True)


def test_a_folder_that_is_missing_is_told(
    tmp_path: Path, migrated: str, api: fault_server.FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"base_url": api.base_url, "token_file": str(tmp_path / "none" / "token")}
    give(monkeypatch, GOOD)
    done = Command(tmp_path, migrated, api=given)("token", "set")
    assert (done.code, "cannot be replaced" in done.err) == (8, True)


def test_a_missing_database_only_leaves_out_the_audit(
    tmp_path: Path, api: fault_server.FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"base_url": api.base_url, "token_file": str(tmp_path / "token")}
    give(monkeypatch, GOOD)
    done = Command(tmp_path, "host=/nowhere dbname=x", api=given)("token", "set")
    assert (done.code, "not in the audit log" in done.err) == (0, True)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
