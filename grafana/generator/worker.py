"""The dashboard *Worker*: one worker, or a few side by side."""

from grafana.generator import words
from grafana.generator.parts import GREEN, RED, Dashboard
from grafana.generator.words import grown, plot, quantiles, rate, series, stat, timeline

WHO = {"worker": "~$worker"}
EACH = "{{instance}} {{worker}}"


def build() -> Dashboard:
    """The dashboard."""
    made = Dashboard(
        uid="noggin-worker",
        title="Noggin / Worker",
        description="What one worker does: choose it above.",
        variables=("datasource", "instance", "worker", "runbooks"),
    )
    _life(made)
    _work(made)
    _waits(made)
    return made


def _life(made: Dashboard) -> None:
    made.row("Life")
    made.line(
        stat("Up", "Chosen workers whose process lives.", f"sum({series('worker_up', **WHO)})",
             steps=((None, RED), (1, GREEN)), runbook="worker-parked.md#worker-missing"),
        stat("Sign of life", "Since the loop last told that it turns; the oldest of the chosen.",
             f"max(time() - {series('worker_heartbeat_timestamp_seconds', **WHO)})", unit="s"),
        stat("Busy threads", "Job threads that carry a TIP.",
             f"sum({series('worker_busy_threads', **WHO)})"),
        stat("Memory", "Resident memory, all chosen together.",
             f"sum({series('worker_resident_bytes', **WHO)})", unit="bytes"),
        stat("Ends, 24 h", "Processes of the chosen slots that ended in the last day.",
             f"round(sum(increase({series('worker_exits_total', **WHO)}[24h])))",
             runbook="worker-parked.md#worker-parked"),
        height=4,
    )  # fmt: skip
    made.line(
        timeline("Up", "Whether the process of the slot lives.", series("worker_up", **WHO), EACH,
                 mappings=words.UP, runbook="worker-parked.md#worker-missing"),
        plot("Ends", "Processes that ended in each interval, by reason.",
             (grown("worker_exits_total", **WHO, by="instance, worker, reason"),
              EACH + " {{reason}}"), runbook="worker-parked.md#worker-parked"),
        plot("Memory", "Resident memory.", (series("worker_resident_bytes", **WHO), EACH),
             unit="bytes"),
    )  # fmt: skip


def _work(made: Dashboard) -> None:
    made.row("Work")
    made.line(
        plot("Requests by outcome", "Requests per second.",
             (rate("requests_total", **WHO, by="outcome"), "{{outcome}}"), unit="reqps",
             stacked=True, runbook="failures.md#high-failure-rate"),
        plot("Failures by reason", "Requests per second that did not succeed.",
             (rate("request_failures_total", **WHO, by="reason") + " > 0", "{{reason}}"),
             unit="reqps", runbook="failures.md#high-failure-rate"),
        plot("Bytes by role", "Bytes of bodies received per second.",
             (rate("downloaded_bytes_total", **WHO, by="role"), "{{role}}"), unit="Bps",
             stacked=True),
    )  # fmt: skip
    made.line(
        plot("TIPs by outcome", "TIPs per second the worker was done with.",
             (rate("tips_total", **WHO, by="outcome"), "{{outcome}}"), stacked=True,
             runbook="failures.md#completion-low"),
        plot("Attachments by outcome", "Attachments per second.",
             (rate("attachments_total", **WHO, by="outcome"), "{{outcome}}"), stacked=True),
        plot("Busy threads", "Job threads that carry a TIP.",
             (series("worker_busy_threads", **WHO), EACH)),
    )  # fmt: skip


def _waits(made: Dashboard) -> None:
    made.row("Waiting")
    made.line(
        plot("At the gate", "Job threads that wait at a closed gate, on average.",
             (rate("gate_wait_seconds_total", **WHO, by="scope"), "{{scope}}"),
             runbook="breaker.md#breaker-open"),
        plot("For their turn", "Job threads that wait under a rate limit, on average.",
             (rate("pacing_wait_seconds_total", **WHO, by="scope"), "{{scope}}")),
        plot("Changes of the breaker", "Changes of state that the worker saw, by where they led.",
             (grown("breaker_transitions_total", **WHO, by="scope, to"), "{{scope}} {{to}}")),
        plot("Trips", "Times this worker tripped the breaker.",
             (grown("breaker_opens_total", **WHO, by="instance, worker, scope"),
              EACH + " {{scope}}"), runbook="breaker.md#breaker-flapping"),
    )  # fmt: skip
    made.line(
        plot("Leases", "Renewed; taken back from dead tenants of the slot; found lost.",
             (grown("lease_renewals_total", **WHO, by="job"), "renewed"),
             (grown("leases_reaped_total", **WHO, by="job"), "reaped"),
             (grown("lease_lost_total", **WHO, by="job"), "lost"),
             runbook="queue.md#leases-reaped"),
        plot("Duration of requests", "Of the whole host: the histogram is not kept per worker.",
             *((one.expr, one.legend) for one in quantiles("request_duration_seconds", by="role")),
             unit="s"),
    )  # fmt: skip
