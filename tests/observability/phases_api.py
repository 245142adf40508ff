"""Phases in which the API, or its token, is in trouble."""

import contextlib
import threading
from collections.abc import Iterator

from tests.observability.stage import Stage
from tests.support import wait


@contextlib.contextmanager
def calm(stage: Stage) -> Iterator[None]:
    """Steady work, and nothing wrong."""
    with stage.feeding():
        yield


@contextlib.contextmanager
def failures(stage: Stage) -> Iterator[None]:
    """Three requests in ten fail, too scattered for the breaker."""
    stage.api.control("", {"mode": "500", "fraction": 0.3})
    try:
        with stage.feeding():
            yield
    finally:
        stage.api.control("", {"mode": "ok"})


@contextlib.contextmanager
def slow(stage: Stage) -> Iterator[None]:
    """Every answer takes more than a second."""
    before = stage.api.control("/state")["latency_ms"]
    stage.api.control("", {"latency_ms": "1100-1300"})
    try:
        stage.feed()
        yield
    finally:
        stage.api.control("", {"latency_ms": before})


@contextlib.contextmanager
def outage(stage: Stage) -> Iterator[None]:
    """The API answers nothing but 503."""
    stage.api.control("", {"mode": "503"})
    try:
        stage.feed(2)
        wait.until(lambda: stage.breaker("open"), timeout_s=90, what="an open breaker")
        yield
    finally:
        stage.api.control("", {"mode": "ok"})
        wait.until(lambda: not stage.breaker("open", "half_open"), timeout_s=90, what="closed")


@contextlib.contextmanager
def flapping(stage: Stage) -> Iterator[None]:
    """One short outage after another, while there is plenty of work."""
    before = stage.api.control("/state")["latency_ms"]
    stage.api.control("", {"latency_ms": "250-350"})  # so that the work lasts
    stage.feed(10)
    over = threading.Event()
    thread = threading.Thread(target=_flap, args=(stage, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        stage.api.control("", {"mode": "ok", "latency_ms": before})


def _flap(stage: Stage, over: threading.Event) -> None:
    """Break the API whenever the breaker is closed, mend it whenever it is open."""
    while not over.wait(0.05):
        stage.api.control("", {"mode": "503" if not stage.breaker("open", "half_open") else "ok"})


@contextlib.contextmanager
def throttled(stage: Stage) -> Iterator[None]:
    """429 with a Retry-After of three seconds, now and then."""
    stage.api.control("", {"mode": "429", "retry_after": "3", "fraction": 0.1})
    try:
        stage.feed()
        wait.until(lambda: stage.breaker("paused"), timeout_s=90, what="a pause")
        yield
    finally:
        stage.api.control("", {"mode": "ok"})


@contextlib.contextmanager
def refused_token(stage: Stage) -> Iterator[None]:
    """The token is not valid any more; the one that replaces it expires in three days."""
    token = stage.token(3)
    try:
        stage.feed()
        wait.until(lambda: stage.breaker("auth_stop"), timeout_s=90, what="an auth stop")
        yield
    finally:
        stage.give(token)
        wait.until(lambda: not stage.breaker("auth_stop"), timeout_s=90, what="the end of it")


@contextlib.contextmanager
def expiring_token(stage: Stage) -> Iterator[None]:
    """The token in use ends in an hour."""
    stage.give(stage.token(1 / 24))
    stage.hup()
    wait.until(lambda: not stage.breaker("auth_stop"), timeout_s=90, what="the end of a stop")
    try:
        yield
    finally:
        stage.give(stage.token(30))
        stage.hup()
        wait.until(lambda: not stage.breaker("auth_stop"), timeout_s=90, what="the end of a stop")


@contextlib.contextmanager
def missing_files(stage: Stage) -> Iterator[None]:
    """Attachments that the API does not have: their records become dead letters."""
    stage.api.control("", {"mode": "404", "match": {"role": "media"}})
    try:
        stage.feed()
        yield
    finally:
        stage.api.control("", {"mode": "ok"})
