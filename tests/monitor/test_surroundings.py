"""What the host knows by itself: shown when known, absent when not."""

import os
from pathlib import Path

from noggin_mp.domain import errors
from noggin_mp.monitor import surroundings
from tests.domain.test_token_expiry import jwt


def series(found: surroundings.Surroundings) -> dict[str, float]:
    return {s.name.removeprefix("noggin_"): s.value for f in found.collect() for s in f.samples}


def looking(output: Path, token: str) -> surroundings.Surroundings:
    def read() -> str:
        if not token:
            raise errors.CredentialsError("there is no API token")
        return token

    return surroundings.Surroundings(
        output=output, read_token=read, stopping=lambda: True, wait=lambda _: True
    )


def test_space_and_expiry_are_shown_when_known(tmp_path: Path) -> None:
    found = looking(tmp_path, jwt({"exp": 2_000_000_000}))
    assert series(found) == {}
    found.look()
    disk = os.statvfs(tmp_path)
    shown = series(found)
    assert shown["api_token_expiry_timestamp_seconds"] == 2_000_000_000
    usable = (disk.f_blocks - disk.f_bfree + disk.f_bavail) * disk.f_frsize
    assert abs(shown["storage_size_bytes"] - usable) < 2**30  # others write meanwhile
    assert 0 < shown["storage_free_bytes"] <= shown["storage_size_bytes"]


def test_nothing_is_shown_when_folder_and_token_are_gone(tmp_path: Path) -> None:
    found = looking(tmp_path / "gone", "")
    found.look()
    assert series(found) == {}
    opaque = looking(tmp_path / "gone", "opaque-token")
    opaque.look()
    assert series(opaque) == {}
