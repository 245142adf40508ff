"""The output folder as a worker sees it: in trouble until a look finds all well again."""

from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.worker import storage

FULL = errors.DiskFull("full", remedy="make room")


class Told(list[errors.LocalTrouble]):
    """What the supervisor would have been told."""


@pytest.fixture
def told() -> Told:
    return Told()


def make(folder: Path, told: Told, floor_bytes: int = 0) -> storage.Storage:
    return storage.Storage(folder, floor_bytes=floor_bytes, tell=told.append)


def test_usable_says_no_and_tells_once_when_the_disk_is_under_its_floor(
    tmp_path: Path, told: Told
) -> None:
    found = make(tmp_path, told, floor_bytes=2**60)

    assert [found.usable(now=now) for now in (0.0, 1.0, 6.0, 12.0)] == [False] * 4
    assert found.in_trouble
    assert [type(one) for one in told] == [errors.DiskFull]


def test_usable_looks_again_after_a_pause_when_a_write_failed(tmp_path: Path, told: Told) -> None:
    found = make(tmp_path, told)
    assert found.usable(now=0.0)

    found.failed(FULL, now=1.0)
    found.failed(FULL, now=2.0)

    assert (found.usable(now=6.0), found.in_trouble, told) == (False, True, [FULL])
    assert (found.usable(now=7.5), found.in_trouble) == (True, False)
    found.failed(FULL, now=8.0)
    assert told == [FULL, FULL]
    assert list(tmp_path.iterdir()) == []


def test_usable_stays_away_from_a_folder_that_is_gone_until_it_is_back(
    tmp_path: Path, told: Told
) -> None:
    folder = tmp_path / "mount"
    found = make(folder, told)

    assert not found.usable(now=0.0)
    assert not found.usable(now=6.0)
    assert not folder.exists()
    assert [type(one) for one in told] == [errors.PathUnusable]
    folder.mkdir()
    assert found.usable(now=12.0)
