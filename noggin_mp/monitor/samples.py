"""The monitor's view of the database: sampled in the background, absent when stale, never wrong."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from prometheus_client.metrics_core import Metric

from noggin_mp.domain import breaker as breaker_policy
from noggin_mp.domain import errors
from noggin_mp.observe import logs, metrics
from noggin_mp.store import reports, session, statements

EVERY_S: Final = 5.0
IDLE_S: Final = 15.0
"""How often to look while nobody asks: an idle monitor should cost next to nothing."""
STALE_S: Final = 20.0
DEADLINE_S: Final = 10.0
"""How long one question may take; the sampler's sessions have it as their statement timeout."""
_SHARE: Final = 20
_LONGEST_WAIT_S: Final = 60.0
_STATES: Final = ("ready", "later", "leased", "dead")
_SESSIONS: Final = ("active", "idle", "idle_in_transaction", "other")
_HOSTS: Final = ("up", "draining", "silent", "gone", "stopped")

log = logs.get("monitor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the database, and until when it may be believed (monotonic seconds)."""

    taken_at: float
    fresh_until: float
    numbers: Mapping[str, Any]
    snapshot: reports.Snapshot
    progress: reports.Progress


@dataclass(slots=True, kw_only=True)
class Sampler:
    """Samples until stopped; `error` says why there is nothing to show, and is empty otherwise."""

    connect: Callable[[], session.Connection]
    stopping: Callable[[], bool]
    wait: Callable[[float], bool]
    clock: Callable[[], float] = time.monotonic
    error: str = field(default="not sampled yet", init=False)
    _latest: Sample | None = field(default=None, init=False)
    _failures: int = field(default=0, init=False)
    _asked: bool = field(default=True, init=False)

    @property
    def latest(self) -> Sample | None:
        """The newest sample; None while the database cannot be read, or it is too old."""
        sample = self._latest
        self._asked = True
        if self.error or sample is None or self.clock() >= sample.fresh_until:
            return None
        return sample

    def run(self) -> None:
        """Look every few seconds; a slow database is asked more rarely."""
        while not self.stopping():
            try:
                with contextlib.closing(self.connect()) as connection:
                    while not self.stopping():
                        self._rest(self._look(connection))
            except (psycopg.Error, errors.NogginError) as error:
                self._failed(error)
                self.wait(1.0 if self.error else 0.1)

    def _rest(self, wait_s: float) -> None:
        """Wait so long, and on while nobody has asked for a sample."""
        self._asked = False
        self.wait(wait_s)
        waited_s = wait_s
        while not (self._asked or self.stopping()) and waited_s + EVERY_S <= IDLE_S:
            self.wait(EVERY_S)
            waited_s += EVERY_S

    def _look(self, connection: session.Connection) -> float:
        """Take a sample; gives how long to wait before the next one."""
        started = self.clock()
        snapshot, progress = reports.snapshot(connection), reports.progress(connection)
        row = connection.execute(statements.statement("monitor_sample")).fetchone()
        assert row is not None
        now = self.clock()
        wait_s = min(_LONGEST_WAIT_S, max(EVERY_S, _SHARE * (now - started)))
        self._latest = Sample(
            taken_at=started,
            fresh_until=now + max(STALE_S, wait_s + 2 * DEADLINE_S),
            numbers=row[0],
            snapshot=snapshot,
            progress=progress,
        )
        if self.error and self._failures:
            log.info("database_back")
        self.error, self._failures = "", 0
        return wait_s

    def _failed(self, error: Exception) -> None:
        """A session that broke is replaced in silence; a second failure in a row is told."""
        self._failures += 1
        if self._failures > 1 or self._latest is None:
            if not self.error or self._failures == 1:
                log.warning("sample_failed", error=str(error).splitlines()[0])
            self.error = str(error).splitlines()[0]


@dataclass(frozen=True, slots=True)
class Gauges:
    """The sample as Prometheus series: a collector that gives nothing when there is none.

    `types` are the codes and `scopes` the breaker's scopes whose series exist from the start.
    """

    sampler: Sampler
    types: Collection[str]
    scopes: Collection[str]

    def collect(self) -> Iterable[Metric]:
        """The series of the newest sample."""
        sample = self.sampler.latest
        return [] if sample is None else list(self._series(sample))

    def _series(self, sample: Sample) -> Iterable[Metric]:
        numbers = sample.numbers
        yield self._queued(numbers["queue"])
        for name, key in (
            ("queue_oldest_ready_seconds", "oldest_ready_s"),
            ("queue_oldest_xmin_seconds", "oldest_xmin_s"),
            ("queue_dead_tuples", "dead_tuples"),
            ("unknown_hashes", "unknown_hashes"),
            ("source_stalled", "stalled"),
        ):
            yield metrics.single(name, numbers[key])
        yield metrics.single("fleet_paused", sample.snapshot.paused)
        yield metrics.single("database_connections_limit", numbers["connections_limit"])
        connections = dict.fromkeys(_SESSIONS, 0) | numbers["connections"]
        yield _labelled("database_connections", connections)
        hosts = Counter(host["state"] for host in numbers["hosts"])
        yield _labelled("fleet_hosts", dict.fromkeys(_HOSTS, 0) | hosts)
        yield _labelled("import_rows_total", numbers["import_rows"])
        none = dict.fromkeys(self.scopes, 0.0)
        yield _labelled("breaker_open_seconds_total", none | numbers["open_s"])
        states = {
            row["scope"]: breaker_policy.GAUGE[breaker_policy.State(row["state"])]
            for row in sample.snapshot.breakers
        }
        yield _labelled("breaker_state", none | states)

    def _queued(self, rows: Iterable[tuple[str, str, int]]) -> Metric:
        """Every state of every type; a code that no configuration knows counts as unknown."""
        known = {*self.types, metrics.UNKNOWN_TYPE}
        counted: Counter[tuple[str, str]] = Counter()
        for state, code, tips in rows:
            counted[state, code if code in known else metrics.UNKNOWN_TYPE] += tips
        family = metrics.family("queue_tips")
        for state in _STATES:
            for code in sorted(known):
                family.add_metric([state, code], counted[state, code])
        return family


def _labelled(name: str, values: Mapping[str, Any]) -> Metric:
    family = metrics.family(name)
    for label, value in values.items():
        family.add_metric([label], float(value))
    return family
