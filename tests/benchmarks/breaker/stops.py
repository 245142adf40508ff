"""How fast and completely the fleet stops: many short outages, openings by hand (B1, B3)."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from tests.benchmarks.breaker import history, outage, stage, traffic
from tests.benchmarks.breaker.traffic import S

FAIL_MAX = 5  # the default
POLICY = {
    "open_duration_s": 1,
    "open_multiplier": 1,
    "open_jitter": 0,
    "recovery_ramp_s": 0.5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One standstill: requests that failed before the first trial, those after the commit."""

    mode: str
    leaked: int
    late: int
    last_ms: float
    last_any_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """Many of them by one fleet."""

    workers: int
    threads: int
    trips: Sequence[Stop]
    by_hand: Sequence[Stop]
    charged: int
    charges: list[str] = field(default_factory=list)

    @property
    def bound(self) -> int:
        """How many requests may leak: fail_max + 2 x in-flight, fail_max as it is configured."""
        return FAIL_MAX + 2 * self.workers * self.threads


def measured(
    made: stage.Stage,
    *,
    workers: int,
    threads: int,
    modes: Sequence[str],
    by_hand: int,
) -> Stops:
    """One short outage for each mode, then so many openings by hand."""
    short = 2 if "stall" in modes else 8  # how long such a request takes to fail
    with stage.fleet_at_work(
        made, workers=workers, threads=threads, breaker=POLICY, read_timeout_s=short
    ) as run:
        trips = [_trip(run, mode) for mode in modes]
        forced = [forced_open(run, seconds=1.0) for _ in range(by_hand)]
        charges = run.charged()
        return Stops(
            workers=workers,
            threads=threads,
            trips=trips,
            by_hand=forced,
            charged=len(charges),
            charges=sorted({message for *_, message in charges}),
        )


def _trip(run: stage.Run, mode: str) -> Stop:
    log, before = traffic.Log(run.stage.log), history.newest(run.site)
    down_ns = run.mode(mode)
    run.tripped(down_ns)
    stage.pause(0.6)
    up_ns = run.mode("ok")
    run.closed(up_ns)
    stage.pause(1.0)
    run.flowing(since_ns=time.monotonic_ns(), each=2)
    found = [e for e in history.events(run.site, after=before) if e.scope == outage.API]
    trip = next(one for one in found if one.kind == "trip")
    trial = next(one for one in found if one.kind == "half_open")
    sent = traffic.between(log.read(), down_ns, trial.at_ns)
    late = [one for one in sent if one.start_ns >= trip.committed_ns]
    return Stop(
        mode=mode,
        leaked=sum(not one.ok for one in sent),
        late=sum(one.role == "api" for one in late),
        last_ms=traffic.latest_ms((o for o in late if o.role == "api"), trip.committed_ns),
        last_any_ms=traffic.latest_ms(late, trip.committed_ns),
    )


def forced_open(run: stage.Run, *, seconds: float) -> Stop:
    """An opening by hand of a healthy API: nobody learns of it by failing."""
    log, before = traffic.Log(run.stage.log), history.newest(run.site)
    run.force("open", seconds, "benchmark")
    stage.pause(seconds + 0.5)
    run.flowing(since_ns=time.monotonic_ns(), each=2)
    force = next(e for e in history.events(run.site, after=before) if e.kind == "force")
    end_ns = force.at_ns + seconds * S
    late = traffic.between(log.read(), force.committed_ns, end_ns)
    last_ms = traffic.latest_ms(late, force.committed_ns)
    return Stop(mode="by hand", leaked=0, late=len(late), last_ms=last_ms, last_any_ms=last_ms)


@contextmanager
def deaf(run: stage.Run, *, every_s: float = 0.05) -> Iterator[None]:
    """No worker hears an announcement: its listener is ended as soon as it is there."""
    stopped = threading.Event()
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE %s AND datname = current_database()"
    )

    def end_them() -> None:
        with psycopg.connect(run.site.dsn, autocommit=True) as connection:
            while not stopped.wait(every_s):
                connection.execute(query, (f"noggin-mp/{stage.LABEL}/%/listen",))

    thread = threading.Thread(target=end_them, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(5)


def without_notify(made: stage.Stage, *, workers: int, repeats: int) -> list[Stop]:
    """Openings by hand while no announcement arrives anywhere."""
    with stage.fleet_at_work(made, workers=workers, breaker=POLICY) as run, deaf(run):
        stage.pause(1.0)
        return [forced_open(run, seconds=3.0) for _ in range(repeats)]
