"""Requests of people from any host: obeyed once, answered each time they are asked."""

from typing import Any

import pytest

from noggin_mp.domain import child
from noggin_mp.supervisor import requests


class Monitor:
    """What a monitor would hear."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def __call__(self, order: child.Order) -> bool:
        assert order.name == child.ANSWERED
        self.heard.append(order.body)
        return True


@pytest.fixture
def monitor() -> Monitor:
    return Monitor()


def test_request_is_taken_once_when_it_is_told_twice(monitor: Monitor) -> None:
    asked = requests.Requests(send=monitor)
    message = {"event": "request", "id": 7, "verb": "drain", "reason": "new kernel"}

    assert asked.take(message) == requests.Request(
        id=7, verb=requests.Verb.DRAIN, reason="new kernel"
    )
    assert asked.take(message) is None
    assert monitor.heard == []
    asked.answer(7, ok=True, state="draining")
    assert asked.take(message) is None
    assert monitor.heard == [{"id": 7, "ok": True, "detail": {"state": "draining"}}] * 2


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"id": 1, "verb": "explode"}, "this version knows no request 'explode'"),
        ({"id": 1, "verb": "scale"}, "workers must be 1 to 512, not None"),
        ({"id": 1, "verb": "scale", "n": 0}, "workers must be 1 to 512, not 0"),
        ({"id": 1, "verb": "scale", "n": 513}, "workers must be 1 to 512, not 513"),
        ({"id": 1, "verb": "scale", "n": "4"}, "workers must be 1 to 512, not 4"),
    ],
)
def test_request_is_refused_with_a_reason_when_it_makes_no_sense(
    monitor: Monitor, message: dict[str, object], error: str
) -> None:
    assert requests.Requests(send=monitor).take(message) is None
    assert monitor.heard == [{"id": 1, "ok": False, "detail": {"error": error}}]


def test_request_is_not_obeyed_when_it_is_heard_after_its_time(monitor: Monitor) -> None:
    asked = requests.Requests(send=monitor, clock=lambda: 100.0)
    assert asked.take({"id": 1, "verb": "drain", "until": 100.5}) is not None
    assert asked.take({"id": 2, "verb": "drain", "until": 99.5}) is None
    assert monitor.heard == [{"id": 2, "ok": False, "detail": {"error": "heard of too late"}}]


@pytest.mark.parametrize("message", [{}, {"id": "x", "verb": "drain"}, {"id": None}])
def test_request_is_ignored_when_nobody_could_be_answered(
    monitor: Monitor, message: dict[str, object]
) -> None:
    assert requests.Requests(send=monitor).take(message) is None
    assert monitor.heard == []


def test_reload_answers_everybody_who_waits_when_it_is_over(monitor: Monitor) -> None:
    asked = requests.Requests(send=monitor)
    for number, verb in enumerate(["reload", "drain", "reload"]):
        assert asked.take({"id": number, "verb": verb}) is not None
    asked.reloaded(ok=False, detail={"error": "noggin.yaml:3: no"})
    asked.reloaded(ok=True, detail={})

    assert monitor.heard == [
        {"id": number, "ok": False, "detail": {"error": "noggin.yaml:3: no"}} for number in (0, 2)
    ]


def test_requests_forget_the_oldest_when_there_are_too_many(monitor: Monitor) -> None:
    asked = requests.Requests(send=monitor)
    for number in range(300):
        asked.take({"id": number, "verb": "drain"})

    assert asked.take({"id": 299, "verb": "drain"}) is None
    asked.answer(1, ok=True)  # and who waits for one of them is answered all the same
    assert monitor.heard == [{"id": 1, "ok": True, "detail": {}}]
    assert asked.take({"id": 0, "verb": "drain"}) is not None
