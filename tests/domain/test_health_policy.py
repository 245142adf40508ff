"""The verdict: what makes a fleet unhealthy, and what is only worth a note."""

import dataclasses
from typing import Any

import pytest

from noggin_mp.domain import agreement, health

GOOD = health.Facts(
    supervisor={"pid": 1, "state": "running", "config_error": None, "slots": []},
    workers=[{"state": "running"}],
    breakers=[{"scope": "h:api", "state": "closed", "reason": None}],
    tips={"permanently_failed": 0},
    queue={"ready": 0},
    paused=False,
    pause_reason=None,
    finished_age_s=5.0,
    rejected_rows=0,
    free_bytes=10,
    min_free_bytes=5,
)


def codes(found: tuple[health.Reason, ...]) -> list[str]:
    return [one.code for one in found]


def test_judge_finds_nothing_when_all_is_well() -> None:
    assert health.judge(GOOD) == health.Verdict(reasons=(), notes=())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"supervisor": {"state": "stopped"}, "workers": []}, "supervisor.not_running"),
        ({"supervisor": {"state": "draining"}}, "supervisor.state"),
        ({"workers": [{"state": "lost"}]}, "workers.silent"),
        ({"workers": [{"state": "blocked"}]}, "workers.blocked"),
        ({"supervisor": {"state": "running", "config_error": "x"}}, "config.invalid"),
        (
            {"supervisor": {"state": "running", "slots": [{"slot": 2, "state": "parked"}]}},
            "workers.parked",
        ),
        ({"supervisor": {"state": "running", "paused": True}}, "leasing.paused"),
        ({"breakers": [{"scope": "h", "state": "open", "reason": "x"}]}, "breaker.open"),
        ({"breakers": [{"scope": "h", "state": "auth_stop"}]}, "breaker.auth_stop"),
        ({"paused": True, "pause_reason": "night"}, "paused"),
        ({"free_bytes": 4}, "disk.low"),
        ({"max_age_s": 4.0}, "work.old"),
        ({"max_age_s": 4.0, "finished_age_s": None}, "work.old"),
        ({"queue": {"ready": 1}, "finished_age_s": 1e6}, "work.stalled"),
    ],
)
def test_judge_gives_a_reason(change: dict[str, Any], code: str) -> None:
    verdict = health.judge(dataclasses.replace(GOOD, **change))

    assert codes(verdict.reasons) == [code]
    assert not verdict.healthy


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"supervisor": {"state": "stopped"}}, "supervisor.not_running"),
        ({"workers": [{"state": "running"}, {"state": "lost"}]}, "workers.lost"),
        ({"breakers": [{"scope": "h", "state": "paused"}]}, "breaker.paused"),
        ({"breakers": [{"scope": "h", "state": "half_open"}]}, "breaker.half_open"),
        ({"tips": {"permanently_failed": 3}}, "tips.dead"),
        ({"rejected_rows": 3}, "input.rejected"),
        (
            {"policies": {name: agreement.told("h", api={"k": name}, media={}) for name in "ab"}},
            "policies.differ",
        ),
    ],
)
def test_judge_only_notes_what_is_harmless(change: dict[str, Any], code: str) -> None:
    verdict = health.judge(dataclasses.replace(GOOD, **change))

    assert codes(verdict.notes) == [code]
    assert verdict.healthy


@pytest.mark.parametrize("state", ["open", "forced_open", "auth_stop"])
@pytest.mark.parametrize(
    ("scope", "healthy"),
    [("api.new:api", False), ("api.new", False), ("api.old:api", True), ("api.old", True)],
)
def test_judge_only_notes_a_breaker_left_open_at_another_host(
    scope: str, healthy: bool, state: str
) -> None:
    breakers = [{"scope": scope, "state": state}]
    verdict = health.judge(dataclasses.replace(GOOD, breakers=breakers, api_host="api.new"))

    assert verdict.healthy is healthy
    assert codes(verdict.notes) == (["breaker.elsewhere"] if healthy else [])


def test_judge_blames_the_breaker_and_not_the_queue_when_work_waits_for_it() -> None:
    facts = dataclasses.replace(
        GOOD,
        breakers=[{"scope": "h", "state": "open"}],
        queue={"ready": 9},
        finished_age_s=1e6,
    )

    assert codes(health.judge(facts).reasons) == ["breaker.open"]
