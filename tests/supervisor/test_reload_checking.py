"""A configuration read and tried apart: whatever happens there is one line of an answer."""

import os
import signal
import time
from collections.abc import Callable, Collection
from typing import Any

import pytest

from noggin_mp.domain import errors
from noggin_mp.settings import schema
from noggin_mp.settings.liveness import Liveness
from noggin_mp.supervisor import checking, contexts
from tests.support.wait import until

OLD = schema.Settings()


def source(data: dict[str, Any], **more: Any) -> contexts.Source:
    return contexts.Source(read=lambda: schema.Settings.model_validate(data), **more)


def raising(error: Exception) -> Callable[[], schema.Settings]:
    def read() -> schema.Settings:
        raise error

    return read


def test_examine_gives_settings_and_changes_when_all_is_well() -> None:
    tried: list[Collection[str]] = []
    found = checking.examine(
        OLD,
        source({"fleet": {"threads": 3}, "timezone": "UTC"},
               examine=lambda _fresh, rolled: tried.append(rolled), texts=lambda: {"n": "t"}),
    )  # fmt: skip

    assert found.settings is not None
    assert [one.key for one in found.changes] == ["fleet.threads", "timezone"]
    assert (found.error, dict(found.texts), tried) == ("", {"n": "t"}, [{"timezone"}])


@pytest.mark.parametrize(
    "change", [{"paths": {"state": "/elsewhere"}}, {"monitor": {"bind": "127.0.0.1:1"}}]
)
def test_examine_refuses_a_fixed_key_with_its_place(change: dict[str, Any]) -> None:
    found = checking.examine(OLD, source(change, origin=lambda key: f"n.yaml:7:{len(key)}"))

    assert found.settings is None
    assert found.error.startswith("n.yaml:7:1")
    assert "restart the service" in found.error


def test_examine_refuses_what_this_run_cannot_do() -> None:
    rolled = source({"timezone": "UTC"})

    assert checking.examine(OLD, rolled, refused=(Liveness.ROLLED,)).settings is None
    assert checking.examine(OLD, rolled, refused=()).settings is not None


def test_examine_tells_many_faults_on_one_line() -> None:
    problems = tuple(errors.Problem(file="n", line=n, message="a\nb") for n in range(1, 15))
    error = errors.ConfigError("14 faults", problems=problems)
    told = checking.examine(OLD, contexts.Source(read=raising(error))).error

    assert told.startswith("n:1: a; n:2: a; ")
    assert told.endswith("; n:10: a; and 4 more")


def test_examine_tells_a_bug_as_one_without_what_no_line_can_hold() -> None:
    found = checking.examine(OLD, contexts.Source(read=raising(KeyError("x\x1b[31m\ny"))))

    assert found.settings is None
    assert found.error.startswith("this is a bug in noggin-mp: KeyError")
    assert found.error.isprintable()


def answer(work: Callable[[], checking.Finding]) -> checking.Finding:
    check = checking.Check(work, release=lambda: None, now=time.monotonic())
    return until(lambda: check.answer(time.monotonic()), timeout_s=60, what="the answer")


def test_check_gives_what_another_process_found() -> None:
    found = answer(
        lambda: checking.examine(OLD, source({}, texts=lambda: {"pid": str(os.getpid())}))
    )

    assert found.settings == OLD
    assert found.texts["pid"] != str(os.getpid())


def test_check_says_so_when_its_process_dies() -> None:
    def work() -> checking.Finding:
        os.kill(os.getpid(), signal.SIGKILL)
        return checking.Finding()

    assert "died" in answer(work).error


def test_check_ends_a_process_that_takes_too_long() -> None:
    def work() -> checking.Finding:
        signal.sigtimedwait([], 600)
        return checking.Finding()

    check = checking.Check(work, release=lambda: None, now=time.monotonic())
    assert check.answer(time.monotonic()) is None
    found = check.answer(time.monotonic() + checking.DEADLINE_S + 1)

    assert found is not None
    assert "more than 45 s" in found.error
    with pytest.raises(ChildProcessError):
        os.waitpid(check._pid, 0)
