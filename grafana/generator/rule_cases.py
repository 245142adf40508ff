"""The cases of the alerts' unit tests: one value a minute, what fires, and what must not."""

from dataclasses import dataclass, field

H1 = {"instance": "h1"}
JOB_H1 = {**H1, "job": "noggin_mp"}
SCOPE = {"scope": "api.example:api"}
STATE = 'breaker_state{scope="api.example:api"}'
OPENS = 'breaker_opens_total{worker="0", scope="api.example:api"}'
READY = 'queue_tips{state="ready", type="LCD"}'
DEAD = 'queue_tips{state="dead", type="LCD"}'
DONE = 'tips_total{worker="0", type="LCD", outcome="complete"}'
RETRIED = 'tips_total{worker="0", type="LCD", outcome="retried"}'
RELEASED = 'tips_total{worker="0", type="LCD", outcome="released"}'
NOT_FOUND = 'tips_total{worker="0", type="LCD", outcome="not_found"}'
EXPIRY = "api_token_expiry_timestamp_seconds"
DISK = {"storage_size_bytes": "100x30"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fires:
    """An alert that fires: its severity (when a name has several), labels and value as shown."""

    value: str
    labels: dict[str, str] = field(default_factory=dict)
    severity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Series by name (without job and instance), one value a minute, and what fires at `at`."""

    alert: str
    what: str
    at: str
    series: dict[str, str]
    fires: tuple[Fires, ...] = ()
    always: bool = True

    @property
    def minutes(self) -> int:
        """How long it lasts."""
        return int(self.at.removesuffix("m"))


def asked(outcome: str) -> str:
    """The requests of one outcome."""
    return f'requests_total{{worker="0", host="api.example", role="api", outcome="{outcome}"}}'


def case(alert: str, what: str, at: str, series: dict[str, str], *fires: Fires) -> Case:
    """A case on a host that answers."""
    return Case(alert=f"Noggin{alert}", what=what, at=at, series=series, fires=fires)


CASES = (
    Case(alert="NogginDown", what="fires when a host does not answer", at="10m", always=False,
         series={'up{job="noggin_mp", instance="h1"}': "1x5 0x10"},
         fires=(Fires(value="0", labels=JOB_H1),)),
    Case(alert="NogginDown", what="fires when Prometheus knows no host", at="10m", always=False,
         series={}, fires=(Fires(value="1", labels={"job": "noggin_mp"}),)),
    Case(alert="NogginDown", what="is silent after one missed scrape", at="10m", always=False,
         series={'up{job="noggin_mp", instance="h1"}': "1x5 0 1x10"}),
    Case(alert="NogginDatabaseUnreachable", what="fires when what comes from SQL is absent",
         at="20m", always=False,
         series={'up{job="noggin_mp", instance="h1"}': "1x30", "fleet_paused": "0x3 _x30"},
         fires=(Fires(value="1", labels=JOB_H1),)),
    case("DatabaseUnreachable", "is silent while the database is read", "20m", {}),
    case("AuthStopped", "fires on an auth stop", "5m",
         {'breaker_state{scope="api.example"}': "0x2 4x10"},
         Fires(value="4", labels={"scope": "api.example"})),
    case("AuthStopped", "is silent while the breaker is open", "5m", {STATE: "2x10"}),
    case("TokenExpiring", "warns six days before", "15m", {EXPIRY: "518400x20"},
         Fires(value="5d 23h 45m 0s", severity="warning")),
    case("TokenExpiring", "is critical on the last day", "5m", {EXPIRY: "43200x20"},
         Fires(value="11h 55m 0s", severity="critical")),
    case("TokenExpiring", "is silent eight days before", "15m", {EXPIRY: "691200x20"}),
    case("TokenExpiring", "is silent when the token tells nothing", "15m", {}),
    case("NoActivity", "fires when nothing was finished for a day", "1470m", {DONE: "100x1600"},
         Fires(value="0")),
    case("NoActivity", "is silent when work goes on", "1470m", {DONE: "0+1x1600"}),
    case("NoActivity", "is silent on a fleet younger than a day", "100m", {DONE: "0x100"}),
    case("HostSilent", "fires when a host falls silent", "20m",
         {'fleet_hosts{state="gone"}': "1x30", 'fleet_hosts{state="silent"}': "0x10 1x30"},
         Fires(value="2")),
    case("HostSilent", "is silent about hosts that are long gone", "20m",
         {'fleet_hosts{state="gone"}': "1x30", 'fleet_hosts{state="silent"}': "0x30"}),
    case("HighFailureRate", "fires when 30 % fail", "10m",
         {asked("success"): "0+70x20", asked("server_error"): "0+30x20"}, Fires(value="30%")),
    case("HighFailureRate", "is silent when 10 % fail", "10m",
         {asked("success"): "0+90x20", asked("timeout"): "0+10x20"}),
    case("HighFailureRate", "is silent for records that do not exist and for 429", "10m",
         {asked("success"): "0+10x20", asked("not_found"): "0+50x20",
          asked("rate_limited"): "0+40x20"}),
    case("HighFailureRate", "is silent for what we called off or sent again", "10m",
         {asked("success"): "0+10x20", asked("cancelled"): "0+50x20",
          asked("resent"): "0+40x20"}),
    case("HighFailureRate", "is silent when only probes are sent", "10m",
         {asked("success"): "0x20", asked("server_error"): "0+1x20"}),
    case("FailureAboveTarget", "fires when 10 % fail for an hour", "100m",
         {asked("success"): "0+90x200", asked("bad_content"): "0+10x200"}, Fires(value="10%")),
    case("FailureAboveTarget", "is silent when 4 % fail", "100m",
         {asked("success"): "0+96x200", asked("connect"): "0+4x200"}),
    case("CompletionLow", "fires when 10 % are not completed", "100m",
         {DONE: "0+90x200", RETRIED: "0+10x200"}, Fires(value="90%")),
    case("CompletionLow", "is silent when records do not exist", "100m",
         {DONE: "0+90x200", NOT_FOUND: "0+10x200"}),
    case("BreakerFlapping", "fires at the sixth opening in an hour", "30m",
         {OPENS: "0x10 1 2 3 4 5 6x40"}, Fires(value="6", labels=SCOPE)),
    case("BreakerFlapping", "is silent at the fifth", "30m", {OPENS: "0x10 1 2 3 4 5x40"}),
    case("BreakerFlapping", "is silent at the fifth of an hour that began unseen", "60m",
         {OPENS: "_ 7x10 8 9 10 11 12x60"}),
    case("BreakerDaily", "fires at the third opening in a day", "1000m",
         {OPENS: "0x10 1x300 2x300 3x600"}, Fires(value="3", labels=SCOPE)),
    case("BreakerDaily", "is silent at the second", "1000m", {OPENS: "0x10 1x300 2x900"}),
    case("BreakerOpenLong", "fires when TIPs wait for an open breaker", "20m",
         {STATE: "0x2 2x30", READY: "5x40"}, Fires(value="2", labels=SCOPE)),
    case("BreakerOpenLong", "fires when trials fail again and again", "20m",
         {STATE: "0x2 2x8 1 2x8 1 2x8", READY: "5x40"}, Fires(value="1", labels=SCOPE)),
    case("BreakerOpenLong", "is silent without work", "20m", {STATE: "1x30", READY: "0x40"}),
    case("BreakerOpenLong", "is silent when people forced it open", "20m",
         {STATE: "5x30", READY: "5x40"}),
    case("QueueGrowing", "fires when more comes in than goes out", "210m",
         {READY: "200+10x300"}, Fires(value="2300")),
    case("QueueGrowing", "is silent just after a large import", "75m",
         {READY: "0x60 80000-100x100"}),
    case("QueueGrowing", "is silent after one large import", "210m",
         {READY: "0x10 80000-100x300"}),
    case("QueueStalled", "fires when nobody works", "20m", {READY: "50x30", DONE: "10x30"},
         Fires(value="50")),
    case("QueueStalled", "is silent while TIPs are finished", "20m",
         {READY: "50x30", DONE: "0+1x30"}),
    case("QueueStalled", "fires when TIPs are only handed back", "20m",
         {READY: "50x30", DONE: "10x30", RELEASED: "0+1x30"},
         Fires(value="50")),
    case("QueueStalled", "is silent while TIPs fail and are to be tried again", "20m",
         {READY: "50x30", DONE: "10x30", RETRIED: "0+1x30"}),
    case("QueueStalled", "is silent when people paused the fleet", "20m",
         {READY: "50x30", DONE: "10x30", "fleet_paused": "1x30"}),
    case("QueueStalled", "is silent when every host was told to lease nothing", "20m",
         {READY: "50x30", DONE: "10x30", "leasing_paused": "1x30"}),
    case("QueueStalled", "is silent when people forced the breaker open", "20m",
         {READY: "50x30", DONE: "10x30", STATE: "5x30"}),
    case("DeadLetters", "fires when there is one more", "20m", {DEAD: "2x10 3x30"},
         Fires(value="3", labels={"state": "dead"})),
    case("DeadLetters", "is silent about old ones", "20m", {DEAD: "2x40"}),
    case("LeasesReaped", "fires when leases were taken back", "20m",
         {'leases_reaped_total{worker="monitor"}': "0x10 4x30"}, Fires(value="4")),
    case("LeasesReaped", "is silent otherwise", "20m",
         {'leases_reaped_total{worker="monitor"}': "7x40"}),
    case("OldXmin", "fires when a transaction is open for an hour", "90m",
         {"queue_oldest_xmin_seconds": "0+60x100"}, Fires(value="1h 30m 0s")),
    case("OldXmin", "is silent for a short one", "90m", {"queue_oldest_xmin_seconds": "3500x100"}),
    case("WorkerParked", "fires when a slot is parked", "5m",
         {'workers{state="parked"}': "0x2 1x10"}, Fires(value="1", labels=H1)),
    case("WorkerParked", "is silent when none is", "5m", {'workers{state="parked"}': "0x10"}),
    case("WorkerMissing", "fires when a slot does not start", "8m",
         {'workers{state="starting"}': "0 1x10"}, Fires(value="1", labels=H1)),
    case("WorkerMissing", "is silent while one starts", "4m",
         {'workers{state="starting"}': "0 1x10"}),
    case("WorkerMissing", "is silent while one is replaced", "8m",
         {'workers{state="waiting"}': "0x3 1 0x10", 'workers{state="starting"}': "0x4 1 0x10"}),
    case("ReloadFailed", "fires when a configuration was refused", "8m",
         {"config_last_reload_successful": "1x3 0x10"}, Fires(value="0", labels=JOB_H1)),
    case("ReloadFailed", "is silent when it was valid", "8m",
         {"config_last_reload_successful": "1x10"}),
    case("DiskLow", "informs at 82 %", "10m", {**DISK, "storage_free_bytes": "18x30"},
         Fires(value="82%", labels=JOB_H1, severity="info")),
    case("DiskLow", "warns at 88 %", "10m", {**DISK, "storage_free_bytes": "12x30"},
         Fires(value="88%", labels=JOB_H1, severity="info"),
         Fires(value="88%", labels=JOB_H1, severity="warning")),
    case("DiskLow", "is critical at 95 %", "10m", {**DISK, "storage_free_bytes": "5x30"},
         *(Fires(value="95%", labels=JOB_H1, severity=one)
           for one in ("info", "warning", "critical"))),
    case("DiskLow", "is silent about a moment", "3m", {**DISK, "storage_free_bytes": "5x30"}),
    case("DiskLow", "is silent at 75 %", "10m", {**DISK, "storage_free_bytes": "25x30"}),
    case("ImportStalled", "fires when an import stalled", "5m", {"source_stalled": "0x2 1x10"},
         Fires(value="1")),
    case("ImportStalled", "is silent when none did", "5m", {"source_stalled": "0x10"}),
    case("UnknownHashes", "fires when names are missing for a day", "1445m",
         {"unknown_hashes": "7x1600"}, Fires(value="7")),
    case("UnknownHashes", "is silent about names that came hours ago", "990m",
         {"unknown_hashes": "0x60 7x1500"}),
    case("UnknownHashes", "is silent when names arrived", "1445m",
         {"unknown_hashes": "7x100 0x1500"}),
)  # fmt: skip
