"""The monitor's view of the database: sampled in the background, absent when stale, never wrong."""

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from prometheus_client.metrics_core import Metric

from noggin_mp.domain import breaker as breaker_policy
from noggin_mp.domain import errors
from noggin_mp.observe import logs, metrics
from noggin_mp.store import reports, session, statements

EVERY_S: Final = 5.0
STALE_S: Final = 20.0
_DEADLINE_S: Final = 10.0
_STATES: Final = ("ready", "later", "leased", "dead")

log = logs.get("monitor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the database, and when it was taken (monotonic seconds)."""

    at: float
    numbers: dict[str, Any]
    snapshot: reports.Snapshot


@dataclass(slots=True, kw_only=True)
class Sampler:
    """Samples until stopped; `latest` is None before the first look, and once it is stale."""

    connect: Callable[[], session.Connection]
    stopping: Callable[[], bool]
    wait: Callable[[float], bool]
    clock: Callable[[], float] = time.monotonic
    _latest: Sample | None = field(default=None, init=False)
    error: str = field(default="not sampled yet", init=False)

    @property
    def latest(self) -> Sample | None:
        """The newest sample, unless it is too old to be believed."""
        sample = self._latest
        return sample if sample and self.clock() - sample.at < STALE_S else None

    def run(self) -> None:
        """Look every few seconds; a slow database is asked more rarely."""
        while not self.stopping():
            try:
                with contextlib.closing(self.connect()) as connection:
                    while not self.stopping():
                        started = self.clock()
                        self._look(connection)
                        self.wait(max(EVERY_S, 20 * (self.clock() - started)))
            except (psycopg.Error, errors.NogginError) as error:
                self.error = str(error).splitlines()[0]
                log.warning("sample_failed", error=self.error)
                self.wait(1.0)

    def _look(self, connection: session.Connection) -> None:
        connection.execute(f"SET statement_timeout = '{_DEADLINE_S:.0f}s'".encode())
        snapshot = reports.snapshot(connection)
        row = connection.execute(statements.statement("monitor_sample")).fetchone()
        assert row is not None
        self._latest = Sample(at=self.clock(), numbers=row[0], snapshot=snapshot)
        self.error = ""


@dataclass(frozen=True, slots=True)
class Gauges:
    """The sample as Prometheus series: a collector that gives nothing when there is none."""

    sampler: Sampler

    def collect(self) -> Iterable[Metric]:
        """The series of the newest sample."""
        sample = self.sampler.latest
        return [] if sample is None else list(_series(sample))


def _series(sample: Sample) -> Iterable[Metric]:
    numbers = sample.numbers
    queued = metrics.family("queue_tips")
    counted = {(state, type_): tips for state, type_, tips in numbers["queue"]}
    types = {type_ for _, type_ in counted} or {"unknown"}
    for state in _STATES:
        for type_ in sorted(types):
            queued.add_metric([state, type_], counted.get((state, type_), 0))
    yield queued
    for name, key in (
        ("queue_oldest_ready_seconds", "oldest_ready_s"),
        ("queue_oldest_xmin_seconds", "oldest_xmin_s"),
        ("queue_dead_tuples", "dead_tuples"),
        ("unknown_hashes", "unknown_hashes"),
        ("source_stalled", "stalled"),
    ):
        yield _one(name, numbers[key])
    yield _one("fleet_paused", sample.snapshot.paused)
    yield _labelled("import_rows_total", numbers["import_rows"])
    yield _labelled("breaker_open_seconds_total", numbers["open_s"])
    yield _labelled(
        "breaker_state",
        {
            row["scope"]: breaker_policy.GAUGE[breaker_policy.State(row["state"])]
            for row in sample.snapshot.breakers
        },
    )


def _one(name: str, value: float) -> Metric:
    family = metrics.family(name)
    family.add_metric([], value)
    return family


def _labelled(name: str, values: dict[str, Any]) -> Metric:
    family = metrics.family(name)
    for label, value in values.items():
        family.add_metric([label], float(value))
    return family
