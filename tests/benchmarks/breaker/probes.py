"""Trouble for whoever probes: killed, frozen, cut off from the database (B2)."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.benchmarks.breaker import history, outage, stage, traffic, wire
from tests.benchmarks.breaker.traffic import S

DEADLINE_S = 3
LEASE_S = DEADLINE_S + 1
POLICY = {
    "open_duration_s": 2,
    "open_multiplier": 1,
    "open_jitter": 0,
    "recovery_ramp_s": 1,
    "probe_deadline_s": DEADLINE_S,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One blow to a prober: probes at once at most, and seconds to the next one's arrival."""

    blow: str
    peak: int
    next_s: float


def measured(made: stage.Stage, *, workers: int, blows: list[str]) -> list[Trial]:
    """One outage for each blow: killed, frozen, cut off."""
    folder = made.folder / "wire"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    with (
        wire.Wire(folder, made.dsn) as line,
        stage.fleet_at_work(made, workers=workers, breaker=POLICY, through=line.dsn) as run,
    ):
        return [_blow(run, line, blow) for blow in blows]


def _blow(run: stage.Run, line: wire.Wire, blow: str) -> Trial:
    log, before = traffic.Log(run.stage.log), history.newest(run.site)
    run.tripped(run.mode("503"))
    run.mode("hang")  # so that trials last, and a blow finds one in flight
    prober = _probing(run, time.monotonic_ns())
    slot = int(prober.row["probe_owner"].rpartition("/")[2])
    struck_ns = time.monotonic_ns()
    after = {"killed": _kill, "frozen": _freeze, "cut off": _cut}[blow](run, line, slot)
    following = _probing(run, struck_ns)
    stage.pause(0.5)
    up_ns = run.mode("ok")
    run.closed(up_ns)
    after()
    run.flowing(since_ns=time.monotonic_ns())
    found = [e for e in history.events(run.site, after=before) if e.scope == outage.API]
    trial = next(one for one in found if one.kind == "half_open")
    close = next(one for one in found if one.kind == "close")
    sent = traffic.between(log.read(), trial.at_ns, close.committed_ns)
    return Trial(
        blow=blow,
        peak=traffic.peak([one for one in sent if one.role == "api"]),
        next_s=(following.at_ns - struck_ns) / S,
    )


def _probing(run: stage.Run, since_ns: int) -> history.Note:
    return run.watch.until(
        lambda row: (
            row["scope"] == outage.API
            and row["state"] == "half_open"
            and row["probe_owner"] is not None
        ),
        since_ns=since_ns,
        timeout_s=60,
        what="a probe",
    )


def _kill(run: stage.Run, line: wire.Wire, slot: int) -> Callable[[], None]:
    os.kill(run.pid(slot), signal.SIGKILL)
    return lambda: None


def _freeze(run: stage.Run, line: wire.Wire, slot: int) -> Callable[[], None]:
    """The worker stands still beyond its lease, its request at the server and its lock held."""
    pid = run.pid(slot)
    os.kill(pid, signal.SIGSTOP)
    stage.pause(LEASE_S + 5)
    os.kill(pid, signal.SIGCONT)
    return lambda: None


def _cut(run: stage.Run, line: wire.Wire, slot: int) -> Callable[[], None]:
    """The worker's sessions hang; the server notices only after the lease has run out."""
    name = f"noggin-mp/{stage.LABEL}/{slot}"
    line.cut(name)
    stage.pause(LEASE_S + 4)
    line.drop(name)
    return lambda: line.mend(name)
