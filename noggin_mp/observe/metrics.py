"""The metrics of one process of the fleet: one method per event.

Made once per process, after the fork: each process writes files that belong to its slot, and the
monitor adds them up. Every label set that is known beforehand starts at 0, so that `increase()`
sees the first event too.
"""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import prometheus_client
from prometheus_client import CollectorRegistry, metrics_core, values

from noggin_mp.domain.outcome import Attempt, Kind, Role
from noggin_mp.observe import catalogue, slot_files

family = catalogue.family
prepare = slot_files.prepare

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST

TIP_OUTCOMES = (
    "complete", "partial", "retried", "not_found", "dead", "released", "lease_lost"
)  # fmt: skip
ATTACHMENT_OUTCOMES = ("published", "kept", "missing", "failed", "refused")
TRANSITIONS = ("closed", "half_open", "open", "paused", "auth_stop", "forced_open")
UNKNOWN_TYPE = "unknown"
COMMON_REASONS = (
    "read_timeout", "connect_timeout", "deadline", "refused", "reset", "truncated", "html",
    "http_401", "http_403", "http_404", "http_429", "http_500", "http_502", "http_503",
)  # fmt: skip
"""Reasons whose series exist from the start; the others come with their first event."""

_OTHER = "other"
_MOST_REASONS = 30


class Collector(Protocol):
    """Something that gives series when asked, such as the monitor's view of the queue."""

    def collect(self) -> Iterable[metrics_core.Metric]:
        """The series of now."""


class Metrics:
    """All series this process writes.

    `slot` is a worker's number, "monitor" or "supervisor"; it is the label `worker`, and the owner
    of the files, so two living processes must never share it. `host` is the API's host, `types`
    are the codes of the object types.
    """

    def __init__(
        self, *, slot: str, directory: Path, host: str = "", types: Iterable[str] = ()
    ) -> None:
        slot_files.adopt(directory, slot)
        # Must be set before any metric is made: each takes its kind of value from here. A fork
        # leaves the parent's values behind untouched, because their class keeps its own slot.
        values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
        self._slot, self._host = slot, host
        self._lock = threading.Lock()
        self._reasons: set[str] = set(COMMON_REASONS)
        self._types = frozenset(types) | {UNKNOWN_TYPE}
        self._writer = slot if slot in ("monitor", "supervisor") else "worker"
        self._made = {
            name: _make(spec)
            for name, spec in catalogue.SPECS.items()
            if self._writer in spec.writers
        }
        if self._writer == "worker":
            self._start_worker()
        elif self._writer == "monitor":
            self._of("leases_reaped_total")
            self._made["leader"].set(0)
        else:
            for outcome in ("success", "failure"):
                self._made["config_reloads_total"].labels(outcome)

    def _start_worker(self) -> None:
        scopes = [self._host, *(f"{self._host}:{role}" for role in Role)]
        for role in Role:
            for kind in Kind:
                self._of("requests_total", self._host, role, kind)
            for reason in COMMON_REASONS:
                self._of("request_failures_total", self._host, role, reason)
            self._made["request_duration_seconds"].labels(role)
            self._of("downloaded_bytes_total", role)
        for scope in scopes:
            self._of("breaker_opens_total", scope)
            for to in TRANSITIONS:
                self._of("breaker_transitions_total", scope, to)
            self._made["probes_total"].labels(scope)
            self._of("pacing_wait_seconds_total", scope)
            self._of("gate_wait_seconds_total", scope)
        for code in sorted(self._types):
            for outcome in TIP_OUTCOMES:
                self._of("tips_total", code, outcome)
            self._made["tip_duration_seconds"].labels(code)
        for outcome in ATTACHMENT_OUTCOMES:
            self._of("attachments_total", outcome)
        for name in ("lease_renewals_total", "leases_reaped_total", "lease_lost_total"):
            self._of(name)
        self.worker_busy(0)

    def _of(self, name: str, *labels: str) -> Any:
        """The series of this worker with the further labels."""
        return self._made[name].labels(self._slot, *labels)

    # --- requests

    def request(self, attempt: Attempt) -> None:
        """A request was sent and ended."""
        self._of("requests_total", self._host, attempt.role, attempt.kind).inc()
        self._made["request_duration_seconds"].labels(attempt.role).observe(attempt.duration_s)
        if not attempt.ok:
            reason = self._bounded(attempt.reason)
            self._of("request_failures_total", self._host, attempt.role, reason).inc()

    def _bounded(self, reason: str) -> str:
        """The reason, or `other` once there are too many: a label must stay small."""
        with self._lock:
            if reason not in self._reasons and len(self._reasons) >= _MOST_REASONS:
                return _OTHER
            self._reasons.add(reason)
        return reason

    def downloaded(self, size_bytes: int, role: Role) -> None:
        """A body, or a part of one, was received."""
        self._of("downloaded_bytes_total", role).inc(size_bytes)

    # --- TIPs and attachments

    def tip_settled(self, type_: str, outcome: str, duration_s: float | None = None) -> None:
        """A worker is done with a TIP; `outcome` is one of TIP_OUTCOMES."""
        code = type_ if type_ in self._types else UNKNOWN_TYPE
        self._of("tips_total", code, outcome).inc()
        if duration_s is not None:
            self._made["tip_duration_seconds"].labels(code).observe(duration_s)

    def attachment(self, outcome: str, size_bytes: int | None = None) -> None:
        """A worker is done with an attachment; `outcome` is one of ATTACHMENT_OUTCOMES."""
        self._of("attachments_total", outcome).inc()
        if size_bytes is not None:
            self._made["attachment_size_bytes"].observe(size_bytes)

    # --- leases

    def lease_renewed(self, leases: int = 1) -> None:
        """Leases were renewed."""
        self._of("lease_renewals_total").inc(leases)

    def leases_reaped(self, leases: int = 1) -> None:
        """Leases that ran out, or whose holder died, were returned."""
        self._of("leases_reaped_total").inc(leases)

    lease_reaped = leases_reaped

    def lease_lost(self, leases: int = 1) -> None:
        """Leases were found lost when their results were to be written."""
        self._of("lease_lost_total").inc(leases)

    # --- breaker, pauses, pacing

    def breaker_open(self, scope: str) -> None:
        """This worker tripped the breaker."""
        self._of("breaker_opens_total", scope).inc()

    def breaker_transition(self, scope: str, to: str) -> None:
        """This worker saw the breaker change its state."""
        self._of("breaker_transitions_total", scope, to).inc()

    def probe(self, scope: str) -> None:
        """A probe request was sent."""
        self._made["probes_total"].labels(scope).inc()

    def gate_wait(self, scope: str, seconds: float) -> None:
        """A job thread waited at a closed gate."""
        self._of("gate_wait_seconds_total", scope).inc(max(0.0, seconds))

    def pacing_wait(self, scope: str, seconds: float) -> None:
        """A job thread waited for its turn under a rate limit."""
        self._of("pacing_wait_seconds_total", scope).inc(max(0.0, seconds))

    # --- processes

    def worker_busy(self, threads: int, *, resident_bytes: int | None = None) -> None:
        """So many job threads are at work; also a sign of life."""
        self._of("worker_busy_threads").set(threads)
        self._of("worker_heartbeat_timestamp_seconds").set(time.time())
        if resident_bytes is not None:
            self._of("worker_resident_bytes").set(resident_bytes)

    def worker_up(self, worker: str, up: bool) -> None:
        """The supervisor's view of a slot: its process lives, or not."""
        self._made["worker_up"].labels(worker).set(up)

    def worker_exit(self, worker: str, reason: str) -> None:
        """A worker ended; `reason` is a short fixed word."""
        self._made["worker_exits_total"].labels(worker, reason).inc()

    def workers(self, state: str, count: int) -> None:
        """So many slots of this host are in a state."""
        self._made["workers"].labels(state).set(count)

    def config_reloaded(self, *, valid: bool) -> None:
        """The configuration was read again."""
        self._made["config_reloads_total"].labels("success" if valid else "failure").inc()
        self.config_valid(valid)

    def config_valid(self, valid: bool) -> None:
        """Whether the configuration, as last read, is valid; at start it is."""
        self._made["config_last_reload_successful"].set(valid)
        if valid:
            self._made["config_last_reload_success_timestamp_seconds"].set(time.time())

    def leader(self, leading: bool) -> None:
        """This host does the upkeep, or another does."""
        self._made["leader"].set(leading)

    def storage_free(self, free_bytes: int) -> None:
        """Free space under the output folder."""
        self._made["storage_free_bytes"].set(free_bytes)


def _make(spec: catalogue.Spec) -> Any:
    """The library's object; `registry=None`, because the monitor reads the files instead."""
    common: dict[str, Any] = {"labelnames": spec.labels, "registry": None}
    if spec.type == "histogram":
        return prometheus_client.Histogram(spec.name, spec.help, buckets=spec.buckets, **common)
    if spec.type == "gauge":
        # The newest value of a series wins and no `pid` label appears; "all" would add one.
        return prometheus_client.Gauge(
            spec.name, spec.help, multiprocess_mode="mostrecent", **common
        )
    return prometheus_client.Counter(spec.name, spec.help, **common)


class _Quarantined:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[metrics_core.Metric]:
        """How many files were put aside."""
        found = family("metrics_files_quarantined")
        found.add_metric([], slot_files.quarantined(self._directory))
        yield found


def collect(directory: Path, extra_collectors: Iterable[Collector] = ()) -> bytes:
    """The text of one scrape: all slots' series added up, then those of `extra_collectors`.

    An extra collector that fails is left out: absent is right, and a scrape must not fail.
    """
    registry = CollectorRegistry()
    for collector in (slot_files.Merged(directory), *extra_collectors, _Quarantined(directory)):
        registry.register(_Shielded(collector))
    return prometheus_client.generate_latest(registry)


class _Shielded:
    def __init__(self, inner: Collector) -> None:
        self._inner = inner

    def describe(self) -> Iterable[metrics_core.Metric]:
        """Nothing: registering must not run a collector."""
        return []

    def collect(self) -> Iterable[metrics_core.Metric]:
        """The inner collector's series, or none."""
        collected: Callable[[], Iterable[metrics_core.Metric]] = self._inner.collect
        try:
            return list(collected())
        except Exception:
            return []
