"""The files for systemd and supervisord, judged by the programs that read them."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from noggin_mp.cli import init_files
from noggin_mp.settings import schema

FOLDER = Path(__file__).resolve().parents[2] / "supervisor"
SERVICES = sorted(file.name for file in FOLDER.glob("*.service"))
TIMERS = sorted(file.name for file in FOLDER.glob("*.timer"))
LONG_RUNNING = ["noggin-monitor.service", "noggin-processor.service", "noggin-worker@.service"]
SYSTEMD = shutil.which("systemd-analyze")
EXPOSURE_MAX = 1.5

needs_systemd = pytest.mark.skipif(
    SYSTEMD is None, reason="systemd-analyze is not installed: apt-get install systemd"
)


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies whose program exists here; the template becomes its instance 0."""
    folder = tmp_path_factory.mktemp("units")
    for name in [*SERVICES, *TIMERS]:
        text = (FOLDER / name).read_text()
        copy = folder / name.replace("@.", "@0.")
        copy.write_text(text.replace("/opt/noggin-mp/bin/noggin-mp", "/bin/true"))
    return folder


def analyzed(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *words],
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip


def names(folder: Path, *endings: str) -> list[str]:
    return [f"./{one.name}" for ending in endings for one in sorted(folder.glob(f"*.{ending}"))]


@needs_systemd
def test_units_are_understood_when_systemd_reads_them(copies: Path) -> None:
    assert len(SERVICES) == 6
    for name in names(copies, "service", "timer"):
        done = analyzed(copies, "verify", name)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), name


@needs_systemd
def test_a_unit_with_an_unknown_key_would_be_told_when_systemd_reads_it(tmp_path: Path) -> None:
    (tmp_path / "x.service").write_text("[Service]\nType=exec\nExecStart=/bin/true\nWatchDog=3\n")

    assert "'WatchDog'" in analyzed(tmp_path, "verify", "./x.service").stderr


@needs_systemd
def test_services_are_shut_off_when_systemd_judges_them(copies: Path) -> None:
    done = analyzed(copies, "security", "--offline=yes", *names(copies, "service"))
    found = dict(re.findall(r"Overall exposure level for (\S+): ([0-9.]+)", done.stdout))

    assert set(found) == {name.replace("@.", "@0.") for name in SERVICES}, done.stderr
    assert {name: level for name, level in found.items() if float(level) > EXPOSURE_MAX} == {}


def test_services_are_shut_off_alike() -> None:
    shared = {}
    for name in SERVICES:
        text = (FOLDER / name).read_text()
        shared[name] = text[text.index("# What it may see") : text.index("SystemCallErrorNumber")]

    assert len(set(shared.values())) == 1


@pytest.mark.parametrize("name", SERVICES)
def test_service_leaves_the_metrics_of_others_alone_when_it_ends(name: str) -> None:
    """RemoveIPC empties /dev/shm of all that the account has there, unless another unit runs."""
    assert not re.search("^RemoveIPC=(?!no)", (FOLDER / name).read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", TIMERS)
def test_timer_starts_the_service_of_its_name(name: str) -> None:
    lines = (FOLDER / name).read_text().splitlines()

    assert (FOLDER / name.replace(".timer", ".service")).exists()
    assert "Persistent=yes" in lines
    assert "WantedBy=timers.target" in lines


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_service_waits_for_the_drain_when_it_is_stopped(name: str) -> None:
    lines = (FOLDER / name).read_text().splitlines()

    assert f"TimeoutStopSec={schema.Settings().fleet.grace_s + 30:.0f}" in lines
    assert "ExecReload=/bin/kill -HUP $MAINPID" in lines
    assert "RestartPreventExitStatus=2 3 4" in lines
    assert "LoadCredential=token:/etc/noggin-mp/token" in lines


def test_processor_tells_systemd_how_it_is() -> None:
    lines = (FOLDER / "noggin-processor.service").read_text().splitlines()

    expected = {"Type=notify", "NotifyAccess=main", "WatchdogSec=30", "KillMode=mixed"}
    assert expected | {"Restart=on-failure"} <= set(lines)


@pytest.mark.parametrize("name", ["noggin-mp.conf", "noggin-mp-numprocs.conf"])
def test_supervisord_waits_for_the_drain_when_it_stops_a_program(name: str) -> None:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";",))
    parser.read_string((FOLDER / name).read_text())
    programs = [section for section in parser.sections() if section.startswith("program:")]

    assert programs
    for program in programs:
        assert parser.getint(program, "stopwaitsecs") == schema.Settings().fleet.grace_s + 10
        assert parser.getboolean(program, "killasgroup")
        assert not parser.getboolean(program, "stopasgroup")
        assert parser.get(program, "autorestart") == "unexpected"


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd is not installed")
def test_account_and_folders_are_made_when_systemd_is_asked(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for name in ("passwd", "group"):
        (tmp_path / "etc" / name).write_text("")
    for program, file in (
        (["systemd-sysusers"], "noggin-mp.sysusers"),
        (["systemd-tmpfiles", "--create"], "noggin-mp.tmpfiles"),
    ):
        done = subprocess.run(
            [*program, f"--root={tmp_path}", str(FOLDER / file)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        told = [line for line in done.stderr.splitlines() if "Creating" not in line]
        assert (done.returncode, told) == (0, []), file

    assert re.search(r"^noggin:x:\d+:\d+:noggin_mp:/var/lib/noggin-mp:/usr/sbin/nologin$",
                     (tmp_path / "etc/passwd").read_text(), re.MULTILINE)  # fmt: skip
    modes = {
        name: (tmp_path / name).stat().st_mode & 0o777
        for name in ("etc/noggin-mp", "var/lib/noggin-mp/output", "var/lib/noggin-mp/backup")
    }
    assert modes == {
        "etc/noggin-mp": 0o750, "var/lib/noggin-mp/output": 0o750, "var/lib/noggin-mp/backup": 0o700
    }  # fmt: skip


def test_every_file_for_systemd_is_written_by_init() -> None:
    others = {"noggin-mp.sysusers", "noggin-mp.tmpfiles", "noggin-mp.logrotate"}
    shipped = {*SERVICES, *TIMERS, *others}

    assert set(init_files.SYSTEMD) == shipped


def test_pages_name_every_file() -> None:
    page = (FOLDER.parent / "docs/how-to/run-under-systemd-or-supervisord.md").read_text()

    assert [one.name for one in sorted(FOLDER.iterdir()) if one.name not in page] == []


def test_folder_is_no_package_when_supervisord_is_installed() -> None:
    assert not list(FOLDER.glob("*.py"))
