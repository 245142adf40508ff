"""Metrics: names and labels as dashboards know them, and counts that outlive a killed process."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from noggin_mp.domain.outcome import Attempt, Kind, Role
from noggin_mp.observe import catalogue, metrics
from tests.support.series import HOST, PHOTO, TIMEOUT, TYPES, scraped, value, worker
from tests.support.wait import until


def in_a_child(work: Callable[[], None]) -> int:
    """The pid of a fork that does `work`, then waits to be killed."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            signal.pause()
        finally:
            os._exit(1)
    return pid


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_series_go_on_when_a_killed_worker_has_a_successor(directory: Path) -> None:
    def work() -> None:
        made = worker(directory)
        made.request(TIMEOUT)
        made.lease_renewed()

    labels = {"worker": "0", "host": HOST, "role": "api", "outcome": "timeout"}
    sizes = []
    for life in (1, 2, 3):
        pid = in_a_child(work)
        until(
            lambda life=life: value(scraped(directory), "lease_renewals_total", worker="0") == life,
            timeout_s=60,
        )
        kill(pid)
        after = scraped(directory)
        assert value(after, "requests_total", **labels) == life
        assert value(after, "request_duration_seconds_count", role="api") == life
        sizes.append([file.stat().st_size for file in sorted(directory.glob("*.db"))])
    assert sizes[0] == sizes[2], "a respawned worker must not make files grow"


def test_series_are_apart_by_worker_when_several_write(directory: Path) -> None:
    pids = [
        in_a_child(lambda slot=slot: worker(directory, slot).tip_settled("LCD", "complete", 1.0))
        for slot in "012"
    ]
    until(  # what each of them writes last
        lambda: value(scraped(directory), "tip_duration_seconds_count", type="LCD") == 3,
        timeout_s=60,
    )
    series = scraped(directory)
    for pid in pids:
        kill(pid)

    for slot in "012":
        labels = {"worker": slot, "type": "LCD", "outcome": "complete"}
        assert value(series, "tips_total", **labels) == 1
    assert not [key for key in series if any(label == "pid" for label, _ in key[1])]


def test_every_known_label_set_is_0_when_a_worker_starts(directory: Path) -> None:
    worker(directory)
    series = scraped(directory)

    for kind in Kind:
        for role in Role:
            labels = {"worker": "0", "host": HOST, "role": role, "outcome": kind}
            assert value(series, "requests_total", **labels) == 0
    for type_ in (*TYPES, "unknown"):
        for outcome in metrics.TIP_OUTCOMES:
            labels = {"worker": "0", "type": type_, "outcome": outcome}
            assert value(series, "tips_total", **labels) == 0
    for scope in (HOST, f"{HOST}:api", f"{HOST}:media"):
        assert value(series, "breaker_opens_total", worker="0", scope=scope) == 0
        assert value(series, "gate_wait_seconds_total", worker="0", scope=scope) == 0
        for to in metrics.TRANSITIONS:
            assert value(series, "breaker_transitions_total", worker="0", scope=scope, to=to) == 0
    for role in Role:
        assert value(series, "downloaded_bytes_total", worker="0", role=role) == 0
    assert value(series, "worker_busy_threads", worker="0") == 0


def test_a_writer_stays_under_300_series_when_everything_happens(directory: Path) -> None:
    made = worker(directory)
    for number in range(200):
        for role in Role:
            attempt = Attempt(kind=Kind.SERVER_ERROR, role=role, reason=f"http_{number}")
            made.request(attempt)
    made.tip_settled("NEW", "complete", 1)
    made.attachment("published", 5)
    made.worker_busy(1, resident_bytes=1)

    series = scraped(directory)
    assert len(series) <= 300
    labels = {"worker": "0", "host": HOST, "role": "api", "reason": "other"}
    assert value(series, "request_failures_total", **labels) > 100
    assert value(series, "tips_total", worker="0", type="unknown", outcome="complete") == 1


EVENTS: list[tuple[Callable[[metrics.Metrics], None], str, dict[str, str], float]] = [
    (lambda m: m.request(TIMEOUT), "request_failures_total",
     {"host": HOST, "role": "api", "reason": "read_timeout"}, 1),
    (lambda m: m.request(PHOTO), "downloaded_bytes_total", {"role": "media"}, 500),
    (lambda m: m.request_cancelled(Role.MEDIA, duration_s=1, received_bytes=7),
     "requests_total", {"host": HOST, "role": "media", "outcome": "cancelled"}, 1),
    (lambda m: m.request_cancelled(Role.MEDIA, duration_s=1, received_bytes=7),
     "downloaded_bytes_total", {"role": "media"}, 7),
    (lambda m: m.request_resent(Role.API), "requests_total",
     {"host": HOST, "role": "api", "outcome": "resent"}, 1),
    (lambda m: m.tip_settled("SO", "dead"), "tips_total", {"type": "SO", "outcome": "dead"}, 1),
    (lambda m: m.attachment("missing"), "attachments_total", {"outcome": "missing"}, 1),
    (lambda m: m.lease_renewed(2), "lease_renewals_total", {}, 2),
    (lambda m: m.lease_reaped(), "leases_reaped_total", {}, 1),
    (lambda m: m.lease_lost(), "lease_lost_total", {}, 1),
    (lambda m: m.breaker_open("h:api"), "breaker_opens_total", {"scope": "h:api"}, 1),
    (lambda m: m.breaker_transition("h:api", "open"), "breaker_transitions_total",
     {"scope": "h:api", "to": "open"}, 1),
    (lambda m: m.gate_wait("h", 1.5), "gate_wait_seconds_total", {"scope": "h"}, 1.5),
    (lambda m: m.gate_wait("h", -1), "gate_wait_seconds_total", {"scope": "h"}, 0),
    (lambda m: m.pacing_wait("h", 0.5), "pacing_wait_seconds_total", {"scope": "h"}, 0.5),
    (lambda m: m.worker_busy(7), "worker_busy_threads", {}, 7),
    (lambda m: m.worker_busy(7, resident_bytes=9), "worker_resident_bytes", {}, 9),
]  # fmt: skip


@pytest.mark.parametrize(("event", "name", "labels", "expected"), EVENTS)
def test_event_moves_its_series_when_it_happens(
    directory: Path,
    event: Callable[[metrics.Metrics], None],
    name: str,
    labels: dict[str, str],
    expected: float,
) -> None:
    event(worker(directory))

    assert value(scraped(directory), name, worker="0", **labels) == expected


def test_supervisor_and_monitor_write_their_own_series_when_they_run(directory: Path) -> None:
    supervisor = metrics.Metrics(slot="supervisor", directory=directory)
    monitor = metrics.Metrics(slot="monitor", directory=directory)
    supervisor.workers("running", 3)
    supervisor.worker_up("0", True)
    supervisor.worker_up("0", False)
    worker(directory, "0").worker_busy(3, resident_bytes=5)
    supervisor.worker_slot("1")
    supervisor.worker_slot("2")
    supervisor.worker_gone("2")
    supervisor.worker_exit("0", "crashed")
    supervisor.config_reloaded(valid=False)
    monitor.leader(True)
    monitor.leases_reaped(2)

    series = scraped(directory)
    assert value(series, "workers", state="running") == 3
    assert value(series, "worker_up", worker="0") == 0
    assert value(series, "worker_busy_threads", worker="0") == 3  # of the process that came later
    assert value(series, "worker_heartbeat_timestamp_seconds", worker="0") > 1e9
    assert value(series, "workers", state="parked") == 0
    assert value(series, "worker_up", worker="1") == 0
    assert value(series, "worker_up", worker="2") is None
    assert value(series, "worker_exits_total", worker="2", reason="clean") == 0
    assert value(series, "worker_exits_total", worker="0", reason="crashed") == 1
    assert value(series, "worker_exits_total", worker="1", reason="hung") == 0
    assert value(series, "config_reloads_total", outcome="failure") == 1
    assert value(series, "config_last_reload_successful") == 0
    assert value(series, "config_last_reload_success_timestamp_seconds") > 1e9
    assert value(series, "leader") == 1
    assert value(series, "leases_reaped_total", worker="monitor") == 2


def test_catalogue_follows_the_conventions_of_prometheus() -> None:
    for name, spec in catalogue.SPECS.items():
        assert spec.name == f"noggin_{name}"
        assert spec.help.endswith(".")
        assert (spec.type == "counter") == name.endswith("_total")
        assert bool(spec.buckets) == (spec.type == "histogram")
        assert not set(spec.labels) & {"pid", "tip", "url", "le", "job", "instance"}
        assert spec.writers
        if spec.type == "histogram":
            assert name.endswith(("_seconds", "_bytes"))


def test_request_buckets_are_those_dashboards_use() -> None:
    assert catalogue.SPECS["request_duration_seconds"].buckets == (
        0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    )  # fmt: skip
