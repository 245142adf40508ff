"""The wheel, installed away from the checkout, is the whole program."""

import contextlib
import os
import socket
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from noggin_mp.store import embedded

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console script of a fresh environment: the wheel, and borrowed dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    # A copy without builds and data: setuptools would pick up what an earlier build left.
    source = folder / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPO, capture_output=True, check=True,
    ).stdout.split(b"\0")  # fmt: skip
    for name in filter(None, (os.fsdecode(one) for one in tracked)):
        if not name.startswith("tests/") and (REPO / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((REPO / name).read_bytes())
    _run(sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(source))
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    _run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "-q",
        "--no-deps",
        str(wheel),
    )
    (site,) = environment.glob("lib/python*/site-packages")
    # Only the folder of the dependencies, whose own .pth files (the checkout's) are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin" / "noggin-mp"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.slow
def test_demo_runs_from_the_wheel_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [installed.with_name("python"), "-c", "import noggin_mp; print(noggin_mp.__file__)"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    ).stdout  # fmt: skip
    assert str(installed.parents[1]) in where
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NOGGIN")}
    with contextlib.ExitStack() as end:
        end.callback(_end_database, installed, tmp_path, environment)
        port = str(end.enter_context(_kept_port()))
        done = subprocess.run(
            [installed, "demo", "--exit", "--tips", "24", "--workers", "2", "--port", port],
            cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "24 of 24 settled" in done.stderr
        assert list((tmp_path / "var" / "output").rglob("*_inspection_data.txt"))
        _run(str(installed), "init", "--dir", str(tmp_path / "n"), "--systemd")
        unit = (tmp_path / "n/systemd/noggin-processor.service").read_text()
        assert f"ExecStart={installed} -c " in unit


@contextlib.contextmanager
def _kept_port() -> Iterator[int]:
    """A port that only who allows its reuse, as our listeners do, can have meanwhile: the default
    one may be another fleet's on this machine."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


def _end_database(installed: Path, folder: Path, environment: dict[str, str]) -> None:
    subprocess.run([installed, "db", "stop"], cwd=folder, env=environment, check=True)
    # Below a folder that only root may enter, the server lies elsewhere: leave nothing there.
    embedded.destroy(folder / "var" / "state")
