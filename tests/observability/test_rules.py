"""Rules and routes by the programs that will read them, and against the runbooks."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.observability import fast
from tests.support import markdown, parts

RULES = [rule for group in fast.rules("alerts")["groups"] for rule in group["rules"]]
NAMES = {
    "Down", "HighFailureRate", "FailureAboveTarget", "CompletionLow", "BreakerFlapping",
    "BreakerDaily", "BreakerOpenLong", "AuthStopped", "TokenExpiring", "NoActivity",
    "QueueGrowing", "QueueStalled", "DeadLetters", "LeasesReaped", "WorkerParked",
    "WorkerMissing", "ReloadFailed", "DiskLow", "ImportStalled", "OldXmin", "UnknownHashes",
}  # fmt: skip
MORE = {"DatabaseUnreachable", "HostSilent"}
BASE = "https://noggin-mp.example/docs/runbooks/"
TESTS = sorted(fast.PROMETHEUS.glob("tests/*.yml"))
CONFIG = fast.ALERTMANAGER / "alertmanager.yml"


def said(program: str, *words: str) -> str:
    """What a program prints, which must end well."""
    done = subprocess.run(
        [str(parts.find(program)), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@parts.needs("promtool")
def test_promtool_finds_nothing_wrong() -> None:
    assert "SUCCESS" in said("promtool", "check", "config", str(fast.PROMETHEUS / "prometheus.yml"))
    said("promtool", "check", "rules", *map(str, fast.PROMETHEUS.glob("rules/*.yml")))


@parts.needs("promtool")
def test_each_alert_fires_and_keeps_silent_when_it_should() -> None:
    said("promtool", "test", "rules", *map(str, TESTS))


def test_each_alert_has_a_test_that_fires_and_one_that_does_not() -> None:
    tests = [test for file in TESTS for test in yaml.safe_load(file.read_text())["tests"]]
    checked = [one for test in tests for one in test["alert_rule_test"]]
    silent = {one["alertname"] for one in checked if not one["exp_alerts"]}
    fires = {
        (one["alertname"], alert["exp_labels"]["severity"])
        for one in checked
        for alert in one["exp_alerts"]
    }
    assert silent == {rule["alert"] for rule in RULES}
    assert fires == {(rule["alert"], rule["labels"]["severity"]) for rule in RULES}


def test_alerts_are_those_that_were_agreed() -> None:
    assert {rule["alert"].removeprefix("Noggin") for rule in RULES} == NAMES | MORE


@pytest.mark.parametrize(
    "rule", RULES, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}"
)
def test_alert_tells_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule["labels"]) == {"severity", "priority"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["labels"]["priority"] in {"P1", "P2", "P3", "P4"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["description"].endswith(".")
    url = rule["annotations"]["runbook_url"]
    assert url.startswith(BASE)
    page, _, anchor = url.removeprefix(BASE).partition("#")
    assert anchor in markdown.anchors(markdown.DOCS / "runbooks" / page), url


def test_runbooks_list_every_alert_with_its_priorities_and_place() -> None:
    text = (markdown.DOCS / "runbooks" / "README.md").read_text(encoding="utf-8")
    listed = {
        row[1]: (set(row[2].split(", ")), row[3])
        for row in re.finditer(r"^\| `(Noggin\w+)` \| ([P1-4, ]+) \| .*\((.+)\) \|$", text, re.M)
    }
    known: dict[str, tuple[set[str], str]] = {}
    for rule in RULES:
        place = rule["annotations"]["runbook_url"].removeprefix(BASE)
        known.setdefault(rule["alert"], (set(), place))[0].add(rule["labels"]["priority"])
    assert listed == known


def test_quick_copies_keep_every_rule_and_leave_no_long_wait() -> None:
    for name, expression in fast.expressions().items():
        quick = fast.quickened(expression, name.partition(" ")[0])
        assert not re.search(r"\[\d+[mhd]\]|offset \d+[mhd]", quick)


@parts.needs("amtool")
def test_amtool_finds_nothing_wrong() -> None:
    assert "SUCCESS" in said("amtool", "check-config", str(CONFIG))


ROUTES = [
    ("NogginDown", "P1", "critical", "urgent"),
    ("NogginAuthStopped", "P1", "critical", "urgent"),
    ("NogginHighFailureRate", "P2", "critical", "urgent"),
    ("NogginQueueGrowing", "P3", "warning", "slack"),
    ("NogginUnknownHashes", "P4", "info", "email"),
    ("SomethingElse", "", "", "slack"),
]


@parts.needs("amtool")
@pytest.mark.parametrize(("alert", "priority", "severity", "receiver"), ROUTES)
def test_alert_goes_to_its_receiver(
    alert: str, priority: str, severity: str, receiver: str
) -> None:
    labels = [f"alertname={alert}", f"priority={priority}", f"severity={severity}"]
    found = said("amtool", "config", "routes", "test", f"--config.file={CONFIG}", *labels)
    assert found.split() == [receiver]


def test_alertmanager_holds_no_secret() -> None:
    text = CONFIG.read_text(encoding="utf-8")
    for key in ("smtp_auth_password", "slack_api_url", "api_url", "auth_password", "bot_token"):
        assert not re.search(rf"^\s*{key}:", text, re.MULTILINE)
    config = yaml.safe_load(text)
    assert config["global"]["smtp_auth_password_file"]
    assert config["global"]["slack_api_url_file"]
    assert config["global"]["smtp_require_tls"] is True
    kinds = {kind for one in config["receivers"] for kind in one if kind != "name"}
    assert kinds == {"slack_configs", "email_configs"}
