"""The dashboard *Fleet*: everything that one looks at first."""

from grafana.generator import words
from grafana.generator.parts import GREEN, GREY, ORANGE, RED, Dashboard
from grafana.generator.words import grown, plot, quantiles, rate, series, stat, timeline

ALL_LEFT = 'state=~"ready|later|leased"'
SETTLED = "~complete|partial|not_found|dead"


def build() -> Dashboard:
    """The dashboard."""
    made = Dashboard(
        uid="noggin-fleet",
        title="Noggin / Fleet",
        description="Is it running, is it getting on, and what is in its way.",
        variables=("datasource", "instance", "scope", "runbooks"),
    )
    _now(made)
    _requests(made)
    _breaker(made)
    _queue(made)
    _workers(made)
    _files(made)
    _database(made)
    return made


def _now(made: Dashboard) -> None:
    made.row("Now")
    made.line(
        stat("Hosts up", "Hosts whose monitor answers Prometheus.",
             'sum(up{job="noggin_mp", instance=~"$instance"})',
             steps=((None, RED), (1, GREEN)), runbook="fleet-down.md#fleet-down"),
        stat("Workers", "Workers that run, on all chosen hosts.",
             f"sum({series('workers', state='running')})",
             steps=((None, RED), (1, GREEN)), runbook="worker-parked.md#worker-missing"),
        stat("Completed, 1 h", "Share of TIPs that were completed, of those that workers were done"
             " with in the last hour. Target: 95 %.", "noggin:tips_complete:ratio1h",
             unit="percentunit", steps=words.GOOD_HIGH, runbook="failures.md#completion-low"),
        stat("Failures, 5 min", "Share of requests that failed in the last five minutes; 404 and"
             " 429 are not failures. Target: under 5 %.", "noggin:request_failures:ratio5m",
             unit="percentunit", steps=words.GOOD_LOW, runbook="failures.md#high-failure-rate"),
        stat("Breaker opens, 1 h", "Times the breaker opened in the last hour, all scopes.",
             f"round(sum(increase({series('breaker_opens_total')}[1h])))",
             steps=((None, GREEN), (1, ORANGE), (6, RED)), runbook="breaker.md#breaker-flapping"),
        stat("Breaker opens, 24 h", "Times the breaker opened in the last day, all scopes.",
             f"round(sum(increase({series('breaker_opens_total')}[24h])))",
             steps=((None, GREEN), (1, ORANGE), (3, RED)), runbook="breaker.md#breaker-daily"),
        height=4,
    )  # fmt: skip
    left, done = f"sum(noggin:queue_tips{{{ALL_LEFT}}})", series("tips_total", outcome=SETTLED)
    made.line(
        stat("Oldest ready", "How long the oldest TIP that could be worked on has waited.",
             f"max({series('queue_oldest_ready_seconds')})", unit="s",
             runbook="queue.md#queue-stalled"),
        stat("Time to empty", "TIPs left over the rate at which they were settled in the last 15"
             " minutes; nothing is shown when none was.",
             f"{left} / (sum(rate({done}[15m])) > 0)", unit="s"),
        stat("Token expires in", "Until the API token in use expires, where the token tells.",
             f"min({series('api_token_expiry_timestamp_seconds')}) - time()", unit="s", least=None,
             steps=((None, RED), (86_400, ORANGE), (7 * 86_400, GREEN)),
             runbook="auth-stop.md#token-expiring"),
        stat("Last reload", "Whether the configuration, as last read, was valid, on every host.",
             f"min({series('config_last_reload_successful')})", mappings=words.RELOAD,
             runbook="fleet-down.md#reload-refused"),
        stat("Configuration since", "When a configuration was last taken up.",
             f"max({series('config_last_reload_success_timestamp_seconds')}) * 1000",
             unit="dateTimeFromNow"),
        stat("Paused by people", "Whether `fleet pause` holds the fleet.",
             f"max({series('fleet_paused')})", mappings=words.YES,
             runbook="breaker.md#fleet-paused"),
        height=4,
    )  # fmt: skip
    made.line(
        timeline("Hosts told to wait", "Hosts whose supervisor a person has told, by a signal, to"
                 " take no new work.", f"max by (instance) ({series('leasing_paused')})",
                 "{{instance}}", mappings=words.YES, runbook="queue.md#queue-stalled"),
        plot("Hosts", "Hosts that ever signed in. silent: no sign of life for a while; stopped:"
             " signed off.", (f"max by (state) ({series('fleet_hosts')}) > 0", "{{state}}"),
             stacked=True, runbook="fleet-down.md#host-silent"),
        timeline("Alerts", "Alerts of this fleet that fire.",
                 'max by (alertname) (ALERTS{alertname=~"Noggin.+", alertstate="firing"})',
                 "{{alertname}}", mappings=words.FIRING, runbook="README.md#runbooks"),
        timeline("Upkeep", "Which host does the upkeep: reaping, promoting, reconciling.",
                 f"max by (instance) ({series('leader')})", "{{instance}}", mappings=words.LEADS),
        height=6,
    )  # fmt: skip


def _requests(made: Dashboard) -> None:
    made.row("Requests")
    made.line(
        plot("Requests by outcome", "Requests per second, by how they ended.",
             (rate("requests_total", by="outcome"), "{{outcome}}"), unit="reqps", stacked=True,
             runbook="failures.md#high-failure-rate"),
        plot("Failures by reason", "Requests per second that did not succeed, by reason.",
             (rate("request_failures_total", by="reason") + " > 0", "{{reason}}"), unit="reqps",
             runbook="failures.md#high-failure-rate"),
        plot("Share that failed", "The last five minutes and the last hour, as the alerts see it.",
             ("noggin:request_failures:ratio5m", "5 min"),
             ("noggin:request_failures:ratio1h", "1 h"), unit="percentunit", most=1),
    )  # fmt: skip
    made.line(
        plot("Duration, records", "From sending a request for a record to the end of its body.",
             *((one.expr, one.legend) for one in
               quantiles("request_duration_seconds", role="api")), unit="s"),
        plot("Duration, attachments", "From sending a request for a file to the end of its body.",
             *((one.expr, one.legend) for one in
               quantiles("request_duration_seconds", role="media")), unit="s"),
        plot("Threads kept waiting", "Job threads that wait, on average: at a closed gate (breaker,"
             " pause, auth stop) and for their turn under a rate limit.",
             (rate("gate_wait_seconds_total", by="scope"), "gate {{scope}}"),
             (rate("pacing_wait_seconds_total", by="scope"), "pacing {{scope}}")),
    )  # fmt: skip


def _breaker(made: Dashboard) -> None:
    scope = {"scope": "~$scope"}
    made.row("Breaker")
    made.line(
        timeline("State", "The breaker of each scope, the same for all hosts: trips are of one"
                 " role, pauses and auth stops of the API's host.",
                 f"max by (scope) ({series('breaker_state', **scope)})", "{{scope}}",
                 mappings=words.BREAKER, runbook="breaker.md#breaker-open"),
        height=7,
    )  # fmt: skip
    made.line(
        plot("Opens", "Times the breaker opened, by scope.",
             (grown("breaker_opens_total", by="scope", **scope), "{{scope}}"),
             runbook="breaker.md#breaker-flapping"),
        plot("Probes", "Probe requests: one at a time, in the whole fleet.",
             (grown("probes_total", by="scope", **scope), "{{scope}}")),
        plot("Share of time open", "Of each interval, how much the breaker was open.",
             ("max by (scope) (rate("
              f"{series('breaker_open_seconds_total', **scope)}[$__rate_interval]))", "{{scope}}"),
             unit="percentunit", runbook="breaker.md#breaker-open"),
        plot("Changes seen", "Changes of state as workers saw them, by where they led.",
             (grown("breaker_transitions_total", by="to", **scope), "{{to}}")),
    )  # fmt: skip


def _queue(made: Dashboard) -> None:
    made.row("Queue")
    made.line(
        plot("TIPs by state", "ready: could be worked on now; later: wait for their next try;"
             " leased: a worker has them; dead: not tried any more.",
             ("noggin:queue_tips", "{{state}}"), runbook="queue.md#queue-growing"),
        plot("Age of the oldest ready TIP", "Grows while nobody works, or while more comes in than"
             " goes out.", (f"max({series('queue_oldest_ready_seconds')})", "oldest"), unit="s",
             runbook="queue.md#queue-stalled"),
        plot("TIPs per second", "TIPs that workers were done with, by outcome; retried: to be"
             " tried again; released: handed back untried.",
             (rate("tips_total", by="outcome"), "{{outcome}}"), stacked=True,
             runbook="failures.md#completion-low"),
    )  # fmt: skip
    made.line(
        plot("Retries and dead letters", "TIPs in each interval that are to be tried again, or are"
             " not tried any more.",
             (grown("tips_total", outcome="~retried|dead|partial", by="outcome"), "{{outcome}}"),
             runbook="dead-letters.md#dead-letters"),
        plot("Dead letters", "TIPs that are not tried any more.",
             ('noggin:queue_tips{state="dead"}', "dead"), runbook="dead-letters.md#dead-letters"),
        plot("Leases", "Renewed by their holders; reaped because their holder died or was cut off;"
             " found lost at the end, their results discarded.",
             (grown("lease_renewals_total", by="job"), "renewed"),
             (grown("leases_reaped_total", by="job"), "reaped"),
             (grown("lease_lost_total", by="job"), "lost"), runbook="queue.md#leases-reaped"),
    )  # fmt: skip


def _workers(made: Dashboard) -> None:
    made.row("Workers")
    made.line(
        timeline("Workers up", "Whether the process of each slot lives.",
                 series("worker_up"), "{{instance}} {{worker}}", mappings=words.UP,
                 runbook="worker-parked.md#worker-missing"),
        plot("Slots by state", "What the supervisors say of their slots.",
             (f"sum by (state) ({series('workers')}) > 0", "{{state}}"), stacked=True,
             runbook="worker-parked.md#worker-parked"),
        plot("Ends of workers", "Processes that ended in each interval, by reason.",
             (grown("worker_exits_total", by="reason"), "{{reason}}"),
             runbook="worker-parked.md#worker-parked"),
    )  # fmt: skip
    each = "instance, worker"
    legend = "{{instance}} {{worker}}"
    made.line(
        plot("Requests per worker", "Requests per second.",
             (rate("requests_total", by=each), legend), unit="reqps"),
        plot("Bytes per worker", "Bytes of bodies received per second.",
             (rate("downloaded_bytes_total", by=each), legend), unit="Bps"),
        plot("Memory per process", "Resident memory of workers and monitors.",
             (series("worker_resident_bytes"), legend), unit="bytes"),
    )  # fmt: skip
    made.line(
        plot("Busy threads per worker", "Job threads that carry a TIP.",
             (series("worker_busy_threads"), legend)),
        plot("Age of the last sign of life", "Since a worker's loop last told that it turns.",
             (f"time() - {series('worker_heartbeat_timestamp_seconds')}", legend), unit="s",
             runbook="worker-parked.md#worker-missing"),
        plot("Reloads", "Configurations taken up or refused in each interval.",
             (grown("config_reloads_total", by="outcome"), "{{outcome}}"),
             runbook="fleet-down.md#reload-refused"),
    )  # fmt: skip


def _files(made: Dashboard) -> None:
    made.row("Files")
    made.line(
        plot("Bytes per second", "Bytes of bodies received, by role.",
             (rate("downloaded_bytes_total", by="role"), "{{role}}"), unit="Bps", stacked=True),
        plot("Attachments per second", "published: newly on disk; kept: were there already;"
             " missing: the API does not have them.",
             (rate("attachments_total", by="outcome"), "{{outcome}}"), stacked=True),
        plot("Disk used", "Share of the file system under the output folder.",
             ("noggin:storage_used:ratio", "{{instance}}"), unit="percentunit", most=1,
             steps=((None, GREEN), (0.8, ORANGE), (0.9, RED)), runbook="disk-low.md#disk-low"),
        plot("Disk free", "Bytes free under the output folder.",
             (f"min by (instance) ({series('storage_free_bytes')})", "{{instance}} free"),
             (f"min by (instance) ({series('storage_size_bytes')})", "{{instance}} size"),
             unit="bytes", runbook="disk-low.md#disk-low"),
    )  # fmt: skip


def _database(made: Dashboard) -> None:
    made.row("Database")
    made.line(
        plot("Oldest snapshot", "Age of the oldest transaction, which holds back vacuum.",
             (f"max({series('queue_oldest_xmin_seconds')})", "age"), unit="s",
             runbook="database.md#old-xmin"),
        plot("Dead rows", "Dead rows in the queue's tables that vacuum has not removed yet.",
             (f"max({series('queue_dead_tuples')})", "dead rows"),
             runbook="database.md#old-xmin"),
        plot("Connections", "Sessions with this database by state, everybody's; and how many"
             " the server allows to all its databases.",
             (f"max by (state) ({series('database_connections')})", "{{state}}"),
             (f"max({series('database_connections_limit')})", "limit"),
             runbook="database.md#connections"),
        stat("Metrics files put aside", "Corrupt files of metrics since the fleet started; their"
             " series began again at zero.",
             f"sum({series('metrics_files_quarantined')})",
             steps=((None, GREY), (1, ORANGE))),
    )  # fmt: skip
