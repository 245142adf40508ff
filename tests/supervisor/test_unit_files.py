"""The files for systemd and supervisord, judged by the programs that read them."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from noggin_mp.settings import schema

FOLDER = Path(__file__).resolve().parents[2] / "supervisor"
UNITS = ["noggin-processor.service", "noggin-worker@.service", "noggin-monitor.service"]
SYSTEMD = shutil.which("systemd-analyze")
EXPOSURE_MAX = 1.5


@pytest.fixture
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy whose program exists here; a template becomes its instance 0."""
    for name in UNITS:
        text = (FOLDER / name).read_text()
        copy = tmp_path / name.replace("@.", "@0.")
        copy.write_text(text.replace("/opt/noggin-mp/bin/noggin-mp", "/bin/true"))
    return tmp_path / request.param.replace("@.", "@0.")


@pytest.mark.skipif(SYSTEMD is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, indirect=True)
def test_unit_is_understood_when_systemd_reads_it(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", f"./{unit.name}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=unit.parent,
    )

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(SYSTEMD is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, indirect=True)
def test_unit_is_shut_off_when_systemd_judges_it(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", f"./{unit.name}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=unit.parent,
    )
    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", done.stdout)

    assert found is not None, done.stderr
    assert float(found[1]) <= EXPOSURE_MAX


def test_processor_waits_for_the_drain_when_it_is_stopped() -> None:
    text = (FOLDER / "noggin-processor.service").read_text()

    assert f"TimeoutStopSec={schema.Settings().fleet.grace_s + 30:.0f}" in text
    for line in ("Type=notify", "NotifyAccess=main", "WatchdogSec=30", "KillMode=mixed"):
        assert line in text.splitlines()
    assert "RestartPreventExitStatus=2 3 4" in text


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


@pytest.mark.parametrize("arguments", [[], ["fly"], ["start", "now"]])
def test_manage_service_tells_its_verbs_when_asked_something_else(arguments: list[str]) -> None:
    done = subprocess.run(
        [str(FOLDER / "manage_service.sh"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )

    assert done.returncode == 2
    assert "start|stop|restart|status|enable|disable|logs|follow|reload" in done.stderr


def test_folder_is_no_package_when_supervisord_is_installed() -> None:
    assert not list(FOLDER.glob("*.py"))
