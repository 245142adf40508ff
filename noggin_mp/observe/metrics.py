"""The metrics of one process of the fleet: one method per event.

Made once per process, after the fork: each process writes files that belong to its slot, and the
monitor adds them up. Every label set that is known beforehand starts at 0, so that `increase()`
sees the first event too.
"""

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import prometheus_client
from prometheus_client import values

from noggin_mp.domain.outcome import Attempt, Kind, Role
from noggin_mp.observe import catalogue, logs, mapped, merge, scraping, slot_files

log = logs.get("metrics")

family = catalogue.family
single = catalogue.single
collect, Scraper = scraping.collect, scraping.Scraper
prepare = slot_files.prepare

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST

TIP_OUTCOMES = (
    "complete", "partial", "retried", "not_found", "dead", "released", "lease_lost"
)  # fmt: skip
ATTACHMENT_OUTCOMES = ("published", "kept", "missing", "failed", "refused")
TRANSITIONS = ("closed", "half_open", "open", "paused", "auth_stop", "forced_open")
CANCELLED, RESENT = "cancelled", "resent"
"""Outcomes of requests besides the kinds of Attempt: neither is a success, or anybody's failure."""
UNKNOWN_TYPE = "unknown"
WORKER_STATES = (
    "waiting", "starting", "running", "draining", "hung", "killed", "parked", "gone"
)  # fmt: skip
EXIT_REASONS = ("clean", "drained", "rolled", "recycled", "failed", "crashed", "hung")
"""How a worker ended: exit code 0; asked to, because the fleet stops or shrinks, because there are
new settings, or to make room for a fresh one; another exit code; a signal that we did not send;
killed because it gave no sign of life."""
COMMON_REASONS = (
    "read_timeout", "connect_timeout", "deadline", "refused", "reset", "truncated", "html",
    "http_401", "http_403", "http_404", "http_429", "http_500", "http_502", "http_503",
)  # fmt: skip
"""Reasons whose series exist from the start; the others come with their first event."""

_OTHER = "other"
_MOST_REASONS = 30


class Metrics:
    """All series this process writes.

    `slot` is a worker's number, "monitor" or "supervisor"; it is the label `worker`, and the owner
    of the files, so two living processes must never share it. `host` is the API's host, `types`
    are the codes of the object types.
    """

    def __init__(
        self, *, slot: str, directory: Path, host: str = "", types: Iterable[str] = ()
    ) -> None:
        slot_files.adopt(directory, slot, merge.readable)
        # Must be set before any metric is made: each takes its kind of value from here. A fork
        # leaves the parent's values behind untouched, because their class keeps its own slot.
        values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
        values.MmapedDict = mapped.Reserved  # type: ignore[attr-defined]
        mapped.Reserved.refused = staticmethod(self._tell_refused)
        self._directory, self._told_refused = directory, False
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
            for state in WORKER_STATES:
                self.workers(state, 0)
            self.config_valid(True)
            self.leasing_paused(False)

    def _tell_refused(self, error: OSError) -> None:
        """The work goes on, and its counts are missing: told once."""
        if not self._told_refused:
            self._told_refused = True
            log.warning("metrics_not_kept", reason=error.strerror, folder=str(self._directory))

    def _start_worker(self) -> None:
        scopes = [self._host, *(f"{self._host}:{role}" for role in Role)]
        for role in Role:
            for kind in (*Kind, CANCELLED, RESENT):
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
        """A request was sent and ended; what it brought has not been acted on yet."""
        self._request(attempt.role, attempt.kind, attempt.duration_s, attempt.received_bytes)
        if not attempt.ok:
            reason = self._bounded(attempt.reason)
            self._of("request_failures_total", self._host, attempt.role, reason).inc()

    def request_cancelled(self, role: Role, *, duration_s: float, received_bytes: int) -> None:
        """A request was sent and called off by ourselves: a drain, a lost lease, a full disk."""
        self._request(role, CANCELLED, duration_s, received_bytes)

    def request_resent(self, role: Role) -> None:
        """A request met a kept connection that was closed already, and is sent once more."""
        self._of("requests_total", self._host, role, RESENT).inc()

    def _request(self, role: Role, outcome: str, duration_s: float, received_bytes: int) -> None:
        self._of("requests_total", self._host, role, outcome).inc()
        self._made["request_duration_seconds"].labels(role).observe(duration_s)
        if received_bytes:
            self._of("downloaded_bytes_total", role).inc(received_bytes)

    def _bounded(self, reason: str) -> str:
        """The reason, or `other` once there are too many: a label must stay small."""
        with self._lock:
            if reason not in self._reasons and len(self._reasons) >= _MOST_REASONS:
                return _OTHER
            self._reasons.add(reason)
        return reason

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
        if not up:  # nobody holds that memory or is busy: a killed worker could not say so itself
            for name in ("worker_busy_threads", "worker_resident_bytes"):
                self._made[name].labels(worker).set(merge.ABSENT)

    def worker_gone(self, worker: str) -> None:
        """There is no such slot any more: its gauges end, what it counted stays."""
        self.worker_up(worker, False)
        for name in ("worker_up", "worker_heartbeat_timestamp_seconds"):
            self._made[name].labels(worker).set(merge.ABSENT)

    def worker_slot(self, worker: str) -> None:
        """There is such a slot: its series begin, so that the first end is seen as one."""
        self.worker_up(worker, False)
        for reason in EXIT_REASONS:
            self._made["worker_exits_total"].labels(worker, reason)

    def worker_exit(self, worker: str, reason: str) -> None:
        """A worker ended; `reason` is one of EXIT_REASONS."""
        self._made["worker_exits_total"].labels(worker, reason).inc()

    def workers(self, state: str, count: int) -> None:
        """So many worker slots of this host are in a state, one of WORKER_STATES."""
        self._made["workers"].labels(state).set(count)

    def leasing_paused(self, paused: bool) -> None:
        """This host takes no new work, or does again."""
        self._made["leasing_paused"].set(paused)

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
