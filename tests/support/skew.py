"""Processes that live hours ahead of the others, or behind: a preloaded library tells them so.

Only the wall clock is changed. What a file says of itself stays true, as on a shared storage whose
server knows the time.
"""

from pathlib import Path

import pytest

from tests.support import parts

_LIBRARY = "lib/*/faketime/libfaketimeMT.so.1"


def library() -> Path | None:
    """The library, installed or fetched; None when there is none."""
    found = [*Path("/usr").glob(_LIBRARY), *(parts.FOLDER / "usr").glob(_LIBRARY)]
    return found[0] if found else None


needs_library = pytest.mark.skipif(
    library() is None,
    reason="NOT TESTED: libfaketime not found: make parts, or apt-get install libfaketime",
)


def environment(hours: float) -> list[str]:
    """The words that start a program so many hours ahead (or behind, when negative)."""
    seconds = round(hours * 3600)
    return [
        "env", f"LD_PRELOAD={library()}", f"FAKETIME={seconds:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1",
    ]  # fmt: skip
