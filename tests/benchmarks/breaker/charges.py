"""Whom bad times are charged to: nobody, for a 429, a refused token, or a full disk (B4)."""

import os
import signal
import time
from dataclasses import dataclass

from tests.benchmarks.breaker import stage, stops, traffic
from tests.benchmarks.breaker.traffic import S
from tests.support import wait

PAUSE_S = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Charges:
    """How many TIPs each trouble was charged to, and how many requests followed it."""

    rate_limited: int
    refused: int
    disk: int
    sent_in_pause: int
    pause_last_ms: float
    sent_after_stop: int


def measured(made: stage.Stage, *, workers: int, threads: int) -> Charges:
    """One fleet through a spell of 429, a refused token, and a disk without room."""
    with stage.fleet_at_work(made, workers=workers, threads=threads, breaker=stops.POLICY) as run:
        in_pause, last_ms = _rate_limited(run)
        after_429 = len(run.charged())
        in_stop = _refused(run)
        after_401 = len(run.charged())
        _no_room(run)
        return Charges(
            rate_limited=after_429,
            refused=after_401 - after_429,
            disk=len(run.charged()) - after_401,
            sent_in_pause=in_pause,
            pause_last_ms=last_ms,
            sent_after_stop=in_stop,
        )


def _rate_limited(run: stage.Run) -> tuple[int, float]:
    """Requests that were sent while the first pause lasted, and when the last of them was."""
    log = traffic.Log(run.stage.log)
    down_ns = run.mode("429", retry_after=PAUSE_S)
    note = run.watch.until(
        lambda row: row["scope"] == stage.HOST and row["paused_s"] > 0,
        since_ns=down_ns,
        timeout_s=20,
        what="pause",
    )
    stage.pause(2.5 * PAUSE_S)
    up_ns = run.mode("ok")
    run.flowing(since_ns=up_ns)
    paused = traffic.between(log.read(), note.at_ns, note.at_ns + (PAUSE_S - 0.1) * S)
    return len(paused), traffic.latest_ms(paused, note.at_ns)


def _refused(run: stage.Run) -> int:
    """Requests that followed the auth stop."""
    log = traffic.Log(run.stage.log)
    down_ns = run.mode("401")
    note = run.watch.until(
        lambda row: row["scope"] == stage.HOST and row["state"] == "auth_stop",
        since_ns=down_ns,
        timeout_s=20,
        what="auth stop",
    )
    stage.pause(2.0)
    up_ns = run.mode("ok")
    stage.pause(0.5)
    sent = traffic.between(log.read(), note.at_ns, up_ns)
    run.force("close", None, "the token is good after all")
    run.flowing(since_ns=up_ns)
    return len(sent)


def _no_room(run: stage.Run) -> None:
    """Asks for more room than any disk has, until the fleet stands still; then no more."""
    _floor(run, 1 << 60)
    quiet = time.monotonic_ns

    def still() -> bool:
        log = traffic.Log(run.stage.log)
        stage.pause(1.5)
        return not log.read()

    wait.until(still, timeout_s=40, what="standstill for want of room")
    _floor(run, 0)
    run.flowing(since_ns=quiet())


def _floor(run: stage.Run, free_bytes: int) -> None:
    run.site.settings["attachments"]["min_free_bytes"] = free_bytes
    run.site.write()
    assert run.supervisor is not None
    os.kill(run.supervisor.pid, signal.SIGHUP)
