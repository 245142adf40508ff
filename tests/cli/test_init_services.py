"""`init`: files for systemd, supervisord and logrotate, as these read them."""

import getpass
import shutil
import subprocess
from pathlib import Path

import pytest

from noggin_mp.cli import doctor_services
from noggin_mp.settings import loader
from tests.support.command import init


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


def test_init_tells_when_two_fleets_would_be_started(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(home, "--supervisord", capsys=capsys)

    told = init(home, "--supervisord", "--numprocs", "--systemd", capsys=capsys).err
    assert f"{home}/supervisord/noggin-mp.conf is of the other mode: remove it" in told
    assert "start the fleet by one of them" in told


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
