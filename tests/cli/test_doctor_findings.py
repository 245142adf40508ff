"""Checks that hang or break are findings, and stop no other."""

import threading
from collections.abc import Iterator

import pytest

from noggin_mp.cli import doctor_database, doctor_services, findings
from noggin_mp.domain import errors


def run(look: findings.Look, *, limit_s: float = 5.0, late_code: int = 8) -> list[findings.Finding]:
    check = findings.Check(name="it", look=look, late_code=late_code)
    return list(findings.run(check, limit_s=limit_s))


def test_check_is_given_up_when_it_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    never, begun = threading.Event(), threading.Event()

    class Punctual(threading.Thread):
        """Its time counts from when it hangs, however late it was begun."""

        def join(self, timeout: float | None = None) -> None:
            assert begun.wait(60)
            super().join(timeout)

    def hangs() -> Iterator[findings.Verdict]:
        yield findings.ok("first")
        begun.set()
        never.wait()

    monkeypatch.setattr(findings.threading, "Thread", Punctual)
    first, found = run(hangs, limit_s=0.05, late_code=5)
    never.set()

    assert first.state is findings.State.OK
    assert (found.state, found.exit_code) == (findings.State.FAILED, 5)
    assert found.found == "no answer within 0.05 s"


def test_check_is_a_finding_when_it_breaks() -> None:
    def breaks() -> Iterator[findings.Verdict]:
        raise KeyError("postgresql://n:s3cr3t@db/x")
        yield

    (found,) = run(breaks)

    assert (found.state, found.exit_code) == (findings.State.FAILED, 70)
    assert "KeyError" in found.found
    assert "s3cr3t" not in found.found


def test_check_is_a_finding_when_it_raises_an_error_of_ours() -> None:
    def raises() -> Iterator[findings.Verdict]:
        yield findings.ok("so far")
        raise errors.DiskFull("the disk is full", remedy="make room")

    first, second = run(raises)

    assert first.state is findings.State.OK
    assert (second.found, second.remedy, second.exit_code) == ("the disk is full", "make room", 8)


@pytest.mark.parametrize(
    ("ahead_s", "doubt_s", "state"),
    [(0.5, 0.01, "ok"), (-1.9, 0.0, "ok"), (2.1, 0.01, "warning"), (2.1, 0.5, "ok"),
     (-7200, 0.1, "warning")],
)  # fmt: skip
def test_clock_deserves_a_word_when_it_is_two_seconds_off(
    ahead_s: float, doubt_s: float, state: str
) -> None:
    verdict = doctor_database.clock("the database's", ahead_s, doubt_s)

    assert verdict.state == state
    assert ("behind" in verdict.found) == (state == "warning" and ahead_s < 0)


@pytest.mark.parametrize(
    ("span", "expected"),
    [("1min", 60), ("1min 30s", 90), ("500ms", 0.5), ("2h", 7200), ("infinity", float("inf"))],
)
def test_span_of_systemd_is_read_in_seconds(span: str, expected: float) -> None:
    assert doctor_services.seconds(span) == expected
