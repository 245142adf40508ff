"""`init`: what it writes works where it is, and what is there stays."""

import getpass
import json
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from noggin_mp.cli import doctor_services, init_files, init_steps, main
from noggin_mp.settings import effective, loader, schema
from tests.support import postgres
from tests.support.command import Done


@pytest.fixture
def home() -> Path:
    """A short path: supervisord's socket goes there."""
    return postgres.scratch() / "n"


def init(folder: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> Done:
    code = main.run(["init", "--dir", str(folder), "--user", getpass.getuser(), *words])
    told = capsys.readouterr()
    return Done(code=code, out=told.out, err=told.err)


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


def test_init_makes_service_files_anew_and_leaves_the_configuration_when_forced(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(home, "--systemd", capsys=capsys)
    file = home / "config/noggin.yaml"
    file.write_text("fleet: {grace_s: 90}\n")
    done = init(home, "--systemd", "--force", capsys=capsys)

    assert (done.code, file.read_text()) == (0, "fleet: {grace_s: 90}\n")
    assert "1 there and different: kept as it is\n" in done.out
    assert "TimeoutStopSec=120" in (home / "systemd/noggin-processor.service").read_text()
    old = (home / "systemd/noggin-processor.service.old").read_text()
    assert "TimeoutStopSec=60" in old


def test_init_replaces_a_broken_configuration_when_forced(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(home, capsys=capsys)
    file = home / "config/noggin.yaml"
    file.write_text("fleet: [")

    assert init(home, capsys=capsys).code == 3
    assert init(home, "--force", capsys=capsys).code == 0
    assert "#workers: 4" in file.read_text()


def test_init_tells_when_two_fleets_would_be_started(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(home, "--supervisord", capsys=capsys)

    told = init(home, "--supervisord", "--numprocs", "--systemd", capsys=capsys).err
    assert f"{home}/supervisord/noggin-mp.conf is of the other mode: remove it" in told
    assert "start the fleet by one of them" in told


@pytest.mark.parametrize("name", ["two words", "a$HOME", "q'uote"])
def test_next_steps_can_be_typed_when_the_path_is_odd(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = tmp_path / name
    done = init(folder, "--json", capsys=capsys)

    shown = subprocess.run(
        ["sh", "-c", f"printf '%s\n' {json.loads(done.out)['next'][-1]}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert shown.splitlines()[-2:] == [f"{folder}/config/noggin.yaml", "run"]


@pytest.mark.skipif(os.geteuid() != 0, reason="an account of its own is for root to use")
def test_next_steps_use_the_database_as_the_account_of_the_service(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = init(home, "--user", "nobody", "--json", capsys=capsys)

    verbs = {step.split()[-1]: step for step in json.loads(done.out)["next"]}
    for verb in ("doctor", "migrate"):
        assert verbs[verb].startswith("runuser -u nobody -- ")


def test_next_steps_can_be_typed_when_the_name_of_the_group_is_two_words(tmp_path: Path) -> None:
    """As those of a directory service are: `domain users`."""
    site = init_files.Site(
        folder=tmp_path, program=("noggin-mp",), user="nobody", group="domain users"
    )

    steps = init_steps.after(site, systemd=False, supervisord=False)

    assert not any("domain users" in step and "'domain users'" not in step for step in steps)


@pytest.mark.parametrize(("user", "made"), [("nobody", False), ("not-here-yet", True)])
def test_next_steps_make_the_account_only_when_it_is_missing(
    home: Path, capsys: pytest.CaptureFixture[str], user: str, made: bool
) -> None:
    """The folders of an account that is there are its own already: tmpfiles would take them."""
    done = init(home, "--user", user, "--systemd", "--dry-run", capsys=capsys)

    assert ("systemd-sysusers" in done.out, "systemd-tmpfiles" in done.out) == (made, made)


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


def test_init_gives_the_services_the_grace_of_a_configuration_that_is_there(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "config").mkdir(parents=True)
    (home / "config/noggin.yaml").write_text("fleet: {grace_s: 90, workers: 6}\n")
    init(home, "--systemd", "--supervisord", "--numprocs", capsys=capsys)

    assert "TimeoutStopSec=120" in (home / "systemd/noggin-worker@.service").read_text()
    conf = (home / "supervisord/noggin-mp-numprocs.conf").read_text()
    assert "stopwaitsecs=100" in conf
    assert "numprocs=6" in conf


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not installed: apt-get install systemd",
)
def test_units_of_init_are_understood_and_shut_off_when_systemd_reads_them(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(home, "--systemd", capsys=capsys)
    folder = home / "systemd"
    text = (folder / "noggin-processor.service").read_text()
    program = " ".join(doctor_services.program())
    assert f"ExecStart={program} -c {home}/config/noggin.yaml run\n" in text
    assert f"LoadCredential=token:{home}/config/token\n" in text
    assert f"User={getpass.getuser()}\n" in text
    (folder / "noggin-worker@.service").rename(folder / "noggin-worker@0.service")

    for unit in sorted([*folder.glob("*.service"), *folder.glob("*.timer")]):
        done = analyzed("verify", str(unit))
        assert (done.returncode, done.stderr) == (0, ""), unit.name
    units = [str(unit) for unit in folder.glob("*.service")]
    levels = [
        float(line.split(":")[1].split()[0])
        for line in analyzed("security", "--offline=yes", *units).stdout.splitlines()
        if "Overall" in line
    ]
    assert len(levels) == 6
    # An account other than root is two tenths better still.
    assert max(levels) <= 1.5 + (0.4 if getpass.getuser() == "root" else 0)


def analyzed(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *words], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="logrotate is not installed")
def test_logrotate_understands_its_file_when_init_wrote_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(home, "--systemd", capsys=capsys)
    file = home / "systemd/noggin-mp.logrotate"
    done = subprocess.run(
        ["logrotate", "-d", "-s", str(home / "status"), str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0
    assert "error" not in done.stderr
    assert f"rotating pattern: {home}/var/log/*.log" in done.stderr


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


@pytest.mark.parametrize("name", ["two words", "per%cent", "a" * 80])
def test_init_refuses_service_files_when_the_path_would_be_misread(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    done = init(tmp_path / name, "--supervisord", capsys=capsys)

    assert done.code == 2
    assert "choose a folder" in done.err
    assert init(tmp_path / name, capsys=capsys).code == 0
    assert loader.load(tmp_path / name / "config/noggin.yaml", env={}).paths.state == (
        tmp_path / name / "var/state"
    )


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
