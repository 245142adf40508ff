"""`init`: the configuration and folders that it writes work where they are; what is there stays."""

import json
import os
import pwd
import stat
from pathlib import Path

import pytest

from noggin_mp.settings import effective, loader, schema
from tests.support.command import init


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_init_writes_a_configuration_that_is_right_for_its_place(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = init(
        home, "--namespace", "acme", "--dsn", "postgresql://n@db/x", "--workers", "7", capsys=capsys
    )

    assert done.code == 0, done.err
    loaded = loader.read(home / "config/noggin.yaml", env={})
    shown = {one.name: one.value for one in effective.values(loaded) if one.origin != "default"}
    assert shown == {
        "database.dsn": "postgresql://n@db/x",
        "api.namespace": "acme",
        "api.token_file": str(home / "config/token"),
        "fleet.workers": 7,
        **{f"paths.{one}": f"{home}/var/{one}" for one in ("state", "input", "output", "log")},
    }  # fmt: skip
    assert f"-c {home}/config/noggin.yaml doctor" in done.out


def test_init_shows_every_other_key_with_its_default(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(home, capsys=capsys)
    file = home / "config/noggin.yaml"
    text = file.read_text()
    open_keys = "\n".join(line.replace("#", "", 1) if line.lstrip()[:2].strip("#")[:1].isalpha()
                          and line.lstrip().startswith("#") else line
                          for line in text.splitlines())  # fmt: skip
    file.write_text(open_keys)

    settings = loader.load(file, env={})
    defaults = schema.Settings()
    assert settings.model_copy(update={"api": defaults.api, "paths": defaults.paths}) == defaults


@pytest.mark.parametrize("umask", [0, 0o077])
def test_init_makes_folders_that_others_cannot_see(
    home: Path, capsys: pytest.CaptureFixture[str], umask: int
) -> None:
    old = os.umask(umask)
    try:
        init(home / "a" / "b", "--systemd", capsys=capsys)
    finally:
        os.umask(old)

    # The account must get through to its own.
    assert {name: mode(home / name) for name in ("", "a", "a/b")} == dict.fromkeys(
        ("", "a", "a/b"), 0o755
    )
    home = home / "a" / "b"
    modes = {name: mode(home / name) for name in ("config", "var", "var/output", "var/backup")}
    assert modes == {"config": 0o750, "var": 0o750, "var/output": 0o750, "var/backup": 0o700}
    assert mode(home / "config/noggin.yaml") == 0o640
    assert mode(home / "manage_service.sh") == 0o755


def test_init_keeps_what_is_there_unless_it_is_forced(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(home, capsys=capsys)
    file = home / "config/noggin.yaml"
    file.write_text("fleet: {workers: 2}\n")

    kept = init(home, capsys=capsys)
    assert kept.code == 0
    assert "--force" in kept.out
    assert file.read_text() == "fleet: {workers: 2}\n"

    for number in (2, 3):
        file.write_text(f"fleet: {{workers: {number}}}\n")
        init(home, "--force", capsys=capsys)
        assert "#workers: 4" in file.read_text()
    assert file.with_name("noggin.yaml.old").read_text() == "fleet: {workers: 2}\n"
    assert file.with_name("noggin.yaml.old1").read_text() == "fleet: {workers: 3}\n"


def test_init_replaces_a_broken_configuration_when_forced(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(home, capsys=capsys)
    file = home / "config/noggin.yaml"
    file.write_text("fleet: [")

    assert init(home, capsys=capsys).code == 3
    assert init(home, "--force", capsys=capsys).code == 0
    assert "#workers: 4" in file.read_text()


def test_init_looks_at_the_configuration_in_the_home_that_a_tilde_means(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config/noggin.yaml").write_text("fleet: {grace_s: 90}\n")
    monkeypatch.setenv("HOME", str(home.parent))
    done = init(Path("~") / home.name, "--supervisord", capsys=capsys)

    assert done.code == 0, done.err
    assert "stopwaitsecs=100" in (home / "supervisord/noggin-mp.conf").read_text()


def test_init_writes_nothing_when_it_is_a_dry_run(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = init(home, "--systemd", "--supervisord", "--dry-run", "--json", capsys=capsys)

    told = json.loads(done.out)
    assert told["dry_run"] is True
    assert {one["done"] for one in told["files"]} == {"created"}
    assert str(home / "systemd/noggin-processor.service") in {one["path"] for one in told["files"]}
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--dsn", "postgresql://n:secret@db/x"], 2, "--dsn holds a password"),
        (["--numprocs"], 2, "--numprocs needs --supervisord"),
        (["-c", "x.yaml"], 2, "give --dir instead of -c"),
        (["--user", "no body"], 2, "is no user here, and cannot be made one"),
        (["--user", "nobody;reboot"], 2, "is no user here, and cannot be made one"),
        (["--dir", "new\nline"], 2, "cannot stand in a configuration"),
        (["--dir", os.fsdecode(b"\xff")], 2, "cannot stand in a configuration"),
    ],
)
def test_init_refuses_what_would_go_wrong(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, told: str
) -> None:
    done = init(home, *words, capsys=capsys)

    assert done.code == code
    assert told in done.err
    assert "secret" not in done.err
    assert not home.exists()


def test_init_says_8_when_the_folder_cannot_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    done = init(tmp_path / "file" / "n", capsys=capsys)

    assert done.code == 8
    assert "cannot be written" in done.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_init_gives_data_to_the_user_and_keeps_the_configuration_when_root(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(home, "--user", "nobody", capsys=capsys)

    nobody = pwd.getpwnam("nobody")
    owners = {
        name: ((home / name).stat().st_uid, (home / name).stat().st_gid)
        for name in ("var", "var/output", "config", "config/noggin.yaml")
    }
    assert owners == {
        "var": (nobody.pw_uid, nobody.pw_gid), "var/output": (nobody.pw_uid, nobody.pw_gid),
        "config": (0, nobody.pw_gid), "config/noggin.yaml": (0, nobody.pw_gid),
    }  # fmt: skip
