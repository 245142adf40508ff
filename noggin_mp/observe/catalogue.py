"""Every metric there is, in one table: name, type, labels, buckets, help, and who writes it.

Names, labels and buckets are an interface: dashboards and rules use them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

PREFIX = "noggin_"
Type = Literal["counter", "gauge", "histogram"]
Writer = Literal["worker", "monitor", "supervisor", "sql"]
"""`sql`: computed for each scrape by the monitor's collectors, from the database or from what the
host knows, and absent when unknown; the others write files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One metric; a counter's name ends in `_total`."""

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    writers: frozenset[Writer]


def _table() -> Iterable[Spec]:
    def metric(
        name: str, kind: Type, labels: str, text: str, *who: Writer, buckets: tuple[float, ...] = ()
    ) -> Spec:
        return Spec(
            name=PREFIX + name,
            type=kind,
            labels=tuple(labels.split()),
            help=text,
            buckets=buckets,
            writers=frozenset(who),
        )

    yield metric("requests_total", "counter", "worker host role outcome",
                 "Requests that were tried, by how they ended.", "worker")  # fmt: skip
    yield metric("request_failures_total", "counter", "worker host role reason",
                 "Requests that did not succeed, by reason.", "worker")  # fmt: skip
    yield metric("request_duration_seconds", "histogram", "role",
                 "Time from sending a request to the end of its body.", "worker",
                 buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60))  # fmt: skip
    yield metric("breaker_opens_total", "counter", "worker scope",
                 "Trips of the breaker, as in breaker_events, by the worker that tripped it.",
                 "worker")  # fmt: skip
    yield metric("breaker_transitions_total", "counter", "worker scope to",
                 "Changes of the breaker's state, as each worker saw them.",
                 "worker")  # fmt: skip
    yield metric("breaker_state", "gauge", "scope",
                 "State of the breaker: 0 closed, 1 half-open, 2 open, 3 paused, 4 auth stop,"
                 " 5 forced open.", "sql")  # fmt: skip
    yield metric("breaker_open_seconds_total", "counter", "scope",
                 "Time the breaker has been open.", "sql")  # fmt: skip
    yield metric("probes_total", "counter", "scope", "Probe requests.", "worker")
    yield metric("downloaded_bytes_total", "counter", "worker role",
                 "Bytes of bodies received.", "worker")  # fmt: skip
    yield metric("tips_total", "counter", "worker type outcome",
                 "TIPs a worker was done with, by object type and outcome.", "worker")  # fmt: skip
    yield metric("tip_duration_seconds", "histogram", "type",
                 "Time a worker spent on a TIP.", "worker",
                 buckets=(0.05, 0.25, 1, 2.5, 10, 30, 120, 600))  # fmt: skip
    yield metric("attachment_size_bytes", "histogram", "", "Sizes of published attachments.",
                 "worker",
                 buckets=(1e4, 1e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2.5e7, 1e8, 5e8))  # fmt: skip
    yield metric("attachments_total", "counter", "worker outcome",
                 "Attachments a worker was done with, by outcome.", "worker")  # fmt: skip
    yield metric("queue_tips", "gauge", "state type",
                 "TIPs in the queue, by state and object type.", "sql")  # fmt: skip
    yield metric("queue_oldest_ready_seconds", "gauge", "",
                 "How long the oldest ready TIP has waited.", "sql")  # fmt: skip
    yield metric("queue_oldest_xmin_seconds", "gauge", "",
                 "Age of the oldest snapshot, which holds back vacuum.", "sql")  # fmt: skip
    yield metric("queue_dead_tuples", "gauge", "", "Dead tuples in the queue's tables.", "sql")
    yield metric("lease_renewals_total", "counter", "worker", "Leases renewed.", "worker")
    yield metric("leases_reaped_total", "counter", "worker",
                 "Leases that were returned because they ran out or their holder was dead.",
                 "worker", "monitor")  # fmt: skip
    yield metric("lease_lost_total", "counter", "worker",
                 "Leases found lost, whose results were discarded.", "worker")  # fmt: skip
    yield metric("pacing_wait_seconds_total", "counter", "worker scope",
                 "Time job threads waited for their turn under a rate limit.",
                 "worker")  # fmt: skip
    yield metric("gate_wait_seconds_total", "counter", "worker scope",
                 "Time job threads waited at a closed gate.", "worker")  # fmt: skip
    yield metric("workers", "gauge", "state", "Workers of this host by state.",
                 "supervisor")  # fmt: skip
    yield metric("worker_up", "gauge", "worker", "1 while the worker's process lives.",
                 "supervisor")  # fmt: skip
    yield metric("worker_heartbeat_timestamp_seconds", "gauge", "worker",
                 "When the worker last gave a sign of life.", "worker", "supervisor")  # fmt: skip
    yield metric("worker_resident_bytes", "gauge", "worker", "Memory the worker holds.",
                 "worker", "supervisor")  # fmt: skip
    yield metric("worker_busy_threads", "gauge", "worker", "Job threads at work.", "worker",
                 "supervisor")  # fmt: skip
    yield metric("worker_exits_total", "counter", "worker reason",
                 "Ends of workers by reason.", "supervisor")  # fmt: skip
    yield metric("config_reloads_total", "counter", "outcome", "Reloads of the configuration.",
                 "supervisor")  # fmt: skip
    yield metric("config_last_reload_successful", "gauge", "",
                 "1 when the last reload of the configuration was valid.",
                 "supervisor")  # fmt: skip
    yield metric("config_last_reload_success_timestamp_seconds", "gauge", "",
                 "When the configuration was last read and found valid.",
                 "supervisor")  # fmt: skip
    yield metric("database_connections", "gauge", "state",
                 "Sessions with the fleet's database, everybody's.", "sql")  # fmt: skip
    yield metric("database_connections_limit", "gauge", "",
                 "Sessions that the server allows to all its databases.", "sql")  # fmt: skip
    yield metric("fleet_hosts", "gauge", "state", "Hosts that ever signed in, by state.",
                 "sql")  # fmt: skip
    yield metric("fleet_paused", "gauge", "", "1 while people have paused the fleet.", "sql")
    yield metric("leasing_paused", "gauge", "",
                 "1 while a person has told this host's supervisor to take no new work.",
                 "supervisor")  # fmt: skip
    yield metric("leader", "gauge", "", "1 on the host that does the upkeep.", "monitor")
    yield metric("storage_free_bytes", "gauge", "", "Free space under the output folder.",
                 "sql")  # fmt: skip
    yield metric("storage_size_bytes", "gauge", "",
                 "Size of the file system under the output folder, without what is reserved for"
                 " root.", "sql")  # fmt: skip
    yield metric("api_token_expiry_timestamp_seconds", "gauge", "",
                 "When the API token in use expires, as the token itself says; absent when it does"
                 " not.", "sql")  # fmt: skip
    yield metric("unknown_hashes", "gauge", "", "Hashes whose name nobody has told.", "sql")
    yield metric("import_rows_total", "counter", "outcome", "Rows of imported files.", "sql")
    yield metric("source_stalled", "gauge", "", "Imports that began and did not end.", "sql")
    yield metric("metrics_files_quarantined", "gauge", "",
                 "Corrupt metrics files that were put aside since the fleet started.",
                 "sql")  # fmt: skip


SPECS: dict[str, Spec] = {spec.name.removeprefix(PREFIX): spec for spec in _table()}
"""Every metric by its name without the prefix."""


def of_sample(name: str) -> Spec:
    """The metric a sample in a file belongs to: its own name, or that of its histogram.

    Raises: KeyError when there is none.
    """
    short = name.removeprefix(PREFIX)
    spec = SPECS.get(short) or SPECS[short.removesuffix("_bucket").removesuffix("_sum")]
    if not name.startswith(spec.name):
        raise KeyError(name)
    return spec


def family(name: str) -> CounterMetricFamily | GaugeMetricFamily:
    """An empty family for a collector to fill: `family("queue_tips").add_metric([...], 3)`.

    `name` has no prefix. Raises: KeyError for a metric that the table does not hold.
    """
    spec = SPECS[name]
    made = CounterMetricFamily if spec.type == "counter" else GaugeMetricFamily
    return made(spec.name, spec.help, labels=spec.labels)


def single(name: str, value: float) -> CounterMetricFamily | GaugeMetricFamily:
    """The family of a metric without labels, filled. Raises: KeyError, as `family`."""
    made = family(name)
    made.add_metric([], float(value))
    return made
