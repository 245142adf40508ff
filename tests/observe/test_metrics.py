"""Metrics: names and labels as dashboards know them, and counts that outlive a killed process."""

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from prometheus_client import metrics_core
from prometheus_client.parser import text_string_to_metric_families

from noggin_mp.domain.outcome import Attempt, Kind, Role
from noggin_mp.observe import catalogue, metrics
from tests.support.wait import until

HOST = "api.example.com"
TYPES = ("LCD", "LCS", "CCC", "FPI", "SO", "TA")
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(directory: Path, extra: Iterable[metrics.Collector] = ()) -> Series:
    text = metrics.collect(directory, extra).decode()
    found: Series = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"twice in one scrape: {key}"
            found[key] = sample.value
    return found


def value(series: Series, name: str, **labels: str) -> float | None:
    return series.get((f"noggin_{name}", frozenset(labels.items())))


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


def worker(directory: Path, slot: str = "0") -> metrics.Metrics:
    return metrics.Metrics(slot=slot, directory=directory, host=HOST, types=TYPES)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # Metrics sets it; put back afterwards
    metrics.prepare(tmp_path / "metrics")
    return tmp_path / "metrics"


TIMEOUT = Attempt(kind=Kind.TIMEOUT, role=Role.API, reason="read_timeout", duration_s=3.0)


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
            lambda life=life: value(scraped(directory), "lease_renewals_total", worker="0") == life
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
    kinds = {"type": "LCD", "outcome": "complete"}
    for slot in "012":
        until(lambda slot=slot: value(scraped(directory), "tips_total", worker=slot, **kinds) == 1)
    series = scraped(directory)
    for pid in pids:
        kill(pid)

    assert value(series, "tip_duration_seconds_count", type="LCD") == 3
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
    (lambda m: m.downloaded(500, Role.MEDIA), "downloaded_bytes_total", {"role": "media"}, 500),
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
    supervisor.worker_exit("0", "SIGKILL")
    supervisor.config_valid(True)
    supervisor.config_reloaded(valid=False)
    monitor.leader(True)
    monitor.storage_free(10)
    monitor.leases_reaped(2)

    series = scraped(directory)
    assert value(series, "workers", state="running") == 3
    assert value(series, "worker_up", worker="0") == 0
    assert value(series, "worker_exits_total", worker="0", reason="SIGKILL") == 1
    assert value(series, "config_reloads_total", outcome="failure") == 1
    assert value(series, "config_last_reload_successful") == 0
    assert value(series, "config_last_reload_success_timestamp_seconds") > 1e9
    assert value(series, "leader") == 1
    assert value(series, "storage_free_bytes") == 10
    assert value(series, "leases_reaped_total", worker="monitor") == 2


@pytest.mark.parametrize(
    "damage",
    [
        b"\xff" * 65_536,
        b"\x7f\xff\xff\x7f" + b"\x00" * 100,
        b"\x40\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00oops" + b"\x00" * 48,
        b"\xf0\xff\xff\xff" + b"\x00" * 100,
        b"abc",
    ],
)
def test_scrape_puts_a_file_aside_when_it_is_corrupt(directory: Path, damage: bytes) -> None:
    worker(directory, "0").lease_lost()
    worker(directory, "1").lease_lost()
    (directory / "counter_0.db").write_bytes(damage)

    series = scraped(directory)

    assert value(series, "lease_lost_total", worker="1") == 1
    assert value(series, "lease_lost_total", worker="0") is None
    assert value(series, "metrics_files_quarantined") == 1
    assert value(series, "worker_busy_threads", worker="0") == 0
    assert not (directory / "counter_0.db").exists()


def test_worker_starts_anew_when_its_file_is_corrupt(directory: Path) -> None:
    (directory / "counter_0.db").write_bytes(b"\xff" * 65_536)

    worker(directory).lease_lost()

    series = scraped(directory)
    assert value(series, "lease_lost_total", worker="0") == 1
    assert value(series, "metrics_files_quarantined") == 1


def test_scrape_leaves_a_file_alone_when_it_is_just_being_made(directory: Path) -> None:
    (directory / "counter_0.db").touch()

    assert value(scraped(directory), "metrics_files_quarantined") == 0
    assert (directory / "counter_0.db").exists()


def test_prepare_wipes_what_an_earlier_fleet_left(directory: Path) -> None:
    worker(directory).lease_lost()
    (directory / "counter_0.db").write_bytes(b"\xff" * 64)
    scraped(directory)

    metrics.prepare(directory)

    assert list(scraped(directory).values()) == [0]


class Queue:
    def collect(self) -> Iterable[metrics_core.Metric]:
        found = metrics.family("queue_tips")
        found.add_metric(["ready", "LCD"], 5)
        yield found


class Broken:
    def collect(self) -> Iterable[metrics_core.Metric]:
        raise RuntimeError("the database is gone")


def test_scrape_shows_extra_collectors_and_survives_broken_ones(directory: Path) -> None:
    worker(directory)

    series = scraped(directory, [Broken(), Queue()])

    assert value(series, "queue_tips", state="ready", type="LCD") == 5
    assert value(series, "lease_lost_total", worker="0") == 0


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
