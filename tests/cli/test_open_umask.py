"""Under a umask that allows everything nothing is made that just anybody could write."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import fleet, reloads


def open_to_all(folder: Path) -> list[str]:
    """The folder and what is in it, as far as others may write it; but for links and sockets."""
    found = [(path, path.lstat().st_mode) for path in (folder, *folder.rglob("*"))]
    plain = [one for one in found if stat.S_ISREG(one[1]) or stat.S_ISDIR(one[1])]
    return [str(path) for path, mode in plain if mode & stat.S_IWOTH]


@pytest.mark.slow
def test_fleet_makes_nothing_that_others_may_write(tmp_path: Path, migrated: str) -> None:
    before = os.umask(0)
    try:
        with fleet.simulator(tmp_path, tips=3) as api:
            site = fleet.Site(
                tmp_path, migrated, api,
                fleet={"workers": 1, "threads": 1}, log={"file": "noggin.log"},
            )  # fmt: skip
            with fleet.running(site):
                reloads.running(site, 1)
    finally:
        os.umask(before)
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o775  # as asked, but for others
    assert (tmp_path / "log" / "noggin.log").is_file()
    written = [tmp_path / name for name in ("state", "log", "output") if (tmp_path / name).exists()]
    assert [path for one in written for path in open_to_all(one)] == []


def test_init_makes_nothing_that_others_may_write(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "noggin_mp", "init"], cwd=tmp_path, umask=0, check=True,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())}, capture_output=True, timeout=120,
    )  # fmt: skip
    assert len(list(tmp_path.iterdir())) > 1
    assert [path for one in tmp_path.iterdir() for path in open_to_all(one)] == []
