"""Progress of long work where there is no terminal."""

import pytest

from noggin_mp.cli import progress
from noggin_mp.cli.context import Context


def test_progress_tells_a_line_when_ten_seconds_have_passed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    with progress.of_bytes(Context(), "a.csv", 100) as tell:
        for now[0], done in ((105.0, 20), (110.0, 50), (115.0, 60), (120.0, 100)):
            tell(done)

    assert capsys.readouterr().err.splitlines() == [
        "a.csv: 50% read, 10 s left to read",
        "a.csv: 100% read, 0 s left to read",
    ]


def test_progress_is_silent_when_asked_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    ctx = Context()
    ctx.quiet = True

    with progress.of_bytes(ctx, "a.csv", 100) as tell:
        tell(100)

    assert capsys.readouterr().err == ""
