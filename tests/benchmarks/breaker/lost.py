"""The database goes away: how soon the fleet stands still, and that it goes on afterwards (B3)."""

import os
import signal
import time
from dataclasses import dataclass

from noggin_mp.store import embedded
from tests.benchmarks.breaker import stage, stops, traffic
from tests.benchmarks.breaker.traffic import S


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One loss: seconds to the last request, and from the return to the first one."""

    how: str
    still_s: float
    back_s: float
    late: int


def database(
    made: stage.Stage, *, workers: int, threads: int, frozen: int, stopped: int
) -> list[Loss]:
    """Freeze the server so often (silence), then stop it so often (connections refused)."""
    with stage.fleet_at_work(made, workers=workers, threads=threads, breaker=stops.POLICY) as run:
        found = [_freeze(run) for _ in range(frozen)]
        return found + [_stop(run) for _ in range(stopped)]


def _freeze(run: stage.Run) -> Loss:
    pids = run.stage.server_pids()
    log, lost_ns = traffic.Log(run.stage.log), time.monotonic_ns()
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        stage.pause(6.0)
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)
    return _seen(run, log, "frozen", lost_ns, time.monotonic_ns())


def _stop(run: stage.Run) -> Loss:
    log, lost_ns = traffic.Log(run.stage.log), time.monotonic_ns()
    embedded.stop(run.stage.state)
    stage.pause(max(0.0, 6.0 - (time.monotonic_ns() - lost_ns) / S))
    embedded.ensure_running(run.stage.state, settings=stage.SERVER)
    return _seen(run, log, "stopped", lost_ns, time.monotonic_ns())


def _seen(run: stage.Run, log: traffic.Log, how: str, lost_ns: int, back_ns: int) -> Loss:
    run.flowing(since_ns=back_ns)
    requests = log.read()
    late = traffic.between(requests, lost_ns, back_ns)
    first = min(one.start_ns for one in requests if one.start_ns >= back_ns)
    return Loss(
        how=how,
        still_s=traffic.latest_ms(late, lost_ns) / 1e3,
        back_s=(first - back_ns) / S,
        late=len(late),
    )
