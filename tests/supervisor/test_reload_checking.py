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


def returned(data: dict[str, Any], failure: str) -> str:
    places = {"paths.output": "n.yaml:3:11", "fleet.threads": "n.yaml:9:12"}
    found = checking.examine(OLD, source(data, origin=lambda key: places.get(key, "")))
    return checking.taken_back(found, failure)


def test_taken_back_names_what_needed_new_processes_and_where_that_stands() -> None:
    data = {"paths": {"output": "/elsewhere"}, "fleet": {"threads": 3}, "timezone": "UTC"}
    assert returned(data, "worker 0 cannot work: /elsewhere: no such folder; create it") == (
        "rolled back: worker 0 cannot work: /elsewhere: no such folder; create it; what had"
        " changed: n.yaml:3:11: paths.output, timezone; correct it and reload again"
    )


def test_taken_back_names_every_change_when_a_silent_process_was_replaced() -> None:
    told = returned({"fleet": {"threads": 3}}, "worker 0 was not at work within 60 s")
    assert told.endswith(
        "; what had changed: n.yaml:9:12: fleet.threads; correct it and reload again"
    )


def test_taken_back_is_one_line_without_secrets() -> None:
    data = {"database": {"dsn": "postgresql://u:hunter2@h/d"}, "api": {"token": "hunter2"}}
    told = returned(data, "no session at postgresql://u:hunter2@h/d\nDETAIL: no such host")
    assert "database.dsn" in told
    assert ("hunter2" in told, "\n" in told) == (False, False)


def test_taken_back_names_only_some_of_very_many() -> None:
    hosts = {f"h{n}.example": {"max_concurrent": 3} for n in range(30)}
    told = returned({"pacing": {"hosts": hosts}}, "it failed")
    assert told.count("h2") <= 11
    assert "and 20 more; correct" in told
