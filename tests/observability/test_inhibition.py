"""What silences what, in a real Alertmanager with the shipped configuration."""

from pathlib import Path
from typing import Any

from tests.observability import fast, servers
from tests.support import parts, wait

RULES = [rule for group in fast.rules("alerts")["groups"] for rule in group["rules"]]
H1, H2, OTHER = ({"instance": name} for name in ("h1", "h2", "other"))


def alert(name: str, severity: str = "", **labels: str) -> dict[str, Any]:
    """An alert with the labels that its rule gives it."""
    own = next(
        rule["labels"]
        for rule in RULES
        if rule["alert"] == f"Noggin{name}" and severity in ("", rule["labels"]["severity"])
    )
    given = {key: value for key, value in labels.items() if value}
    return {"labels": {"alertname": f"Noggin{name}", **own, **given}, "annotations": {}}


DOWN = alert("Down", **H1)
CASES = [
    ("down silences what its host says", DOWN, alert("ReloadFailed", **H1), True),
    ("down silences what is said of the fleet", DOWN, alert("QueueStalled"), True),
    ("down leaves another host's alerts", DOWN, alert("WorkerParked", **H2), False),
    ("down leaves what is as urgent", DOWN, alert("AuthStopped", scope="api"), False),
    ("down leaves another host's down", DOWN, alert("Down", **H2), False),
    ("auth stop silences failure rates", alert("AuthStopped"), alert("HighFailureRate"), True),
    ("auth stop silences the target too", alert("AuthStopped"), alert("FailureAboveTarget"), True),
    ("auth stop leaves the disk", alert("AuthStopped"), alert("DiskLow", "critical", **H1), False),
    ("an outage silences failure rates", alert("BreakerOpenLong", scope="a"),
     alert("HighFailureRate"), True),
    ("flapping silences the day's count of its scope", alert("BreakerFlapping", scope="a"),
     alert("BreakerDaily", scope="a"), True),
    ("flapping leaves another scope's", alert("BreakerFlapping", scope="a"),
     alert("BreakerDaily", scope="b"), False),
    ("parked silences missing", alert("WorkerParked", **H1), alert("WorkerMissing", **H1), True),
    ("a grave step silences a lesser one", alert("DiskLow", "critical", **H1),
     alert("DiskLow", "warning", **H1), True),
    ("a lesser step silences the least", alert("DiskLow", "warning", **H1),
     alert("DiskLow", "info", **H1), True),
    ("a grave step leaves another host's", alert("DiskLow", "critical", **H1),
     alert("DiskLow", "warning", **H2), False),
]  # fmt: skip


@parts.needs("prometheus-alertmanager")
def test_alerts_are_silenced_by_what_explains_them(tmp_path: Path) -> None:
    wrong = []
    with servers.alertmanager(tmp_path) as running:
        for what, source, target, silenced in CASES:
            if _inhibited(running, source, target) != silenced:
                wrong.append(what)
    assert wrong == []


PROOF = [alert("DiskLow", "warning", **OTHER), alert("DiskLow", "critical", **OTHER)]
"""The second silences the first, and meets no other alert."""


def _inhibited(
    running: servers.Alertmanager, source: dict[str, Any], target: dict[str, Any]
) -> bool:
    """Whether `target` is silenced while `source` fires; both are over afterwards.

    Alertmanager learns of sources one after the other, some time after it took them: once the
    last one works, those before it do.
    """
    sent = [source, target, *PROOF]
    running.send(sent, for_s=600)
    try:
        wait.until(
            lambda: len(running.alerts()) == len(sent) and _silenced(running, PROOF[0]),
            timeout_s=60, what="all alerts, and the last one at work",
        )  # fmt: skip
        return _silenced(running, target)
    finally:
        running.send(sent, for_s=0)
        wait.until(lambda: not running.alerts(), timeout_s=60, what="no alert")


def _silenced(running: servers.Alertmanager, wanted: dict[str, Any]) -> bool:
    found = [one for one in running.alerts() if one["labels"] == wanted["labels"]]
    return bool(found and found[0]["status"]["inhibitedBy"])
