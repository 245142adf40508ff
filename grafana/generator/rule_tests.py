"""The alerts' unit tests for promtool: for each alert series that make it fire and that do not.

The expected annotations are rendered from the rules' own templates, so a changed text needs no
change here, only a new run of the generator.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from grafana.generator import rule_cases
from grafana.generator.rule_cases import Case, Fires

_SHORT_MINUTES = 60
JOB = 'job="noggin_mp", instance="h1"'
ALWAYS = {f"up{{{JOB}}}": "1x1600", f"noggin_fleet_paused{{{JOB}}}": "0x1600"}
"""A host that answers, and a fleet that nobody paused."""


def texts(rules: Path) -> dict[str, str]:
    """The files of unit tests for the rules in `rules`, by name.

    Cases that last hours have a file of their own, in which the rules are evaluated more rarely:
    every minute would take promtool a minute of work.
    """
    known = _known(rules)
    short = [case for case in rule_cases.CASES if case.minutes <= _SHORT_MINUTES]
    long = [case for case in rule_cases.CASES if case.minutes > _SHORT_MINUTES]
    return {
        "alerts.yml": _file(rules, "1m", [_test(case, known) for case in short]),
        "alerts-of-hours.yml": _file(rules, "15m", [_test(case, known) for case in long]),
    }


def _file(rules: Path, every: str, tests: list[dict[str, Any]]) -> str:
    head = (
        "# Written by `python -m grafana.generator` from grafana/generator/rule_cases.py;"
        " run by promtool test rules.\n"
    )
    made = {
        "rule_files": ["../rules/recording.yml", "../rules/alerts.yml"],
        "evaluation_interval": every,
        # Without it promtool evaluates groups in any order, and an alert may see the minute before.
        "group_eval_order": ["noggin_mp.recording", *_groups(rules)],
        "tests": tests,
    }
    return head + yaml.safe_dump(made, sort_keys=False, width=1000, allow_unicode=True)


def _known(rules: Path) -> dict[tuple[str, str], dict[str, Any]]:
    found = yaml.safe_load(rules.read_text("utf-8"))
    return {
        (rule["alert"], rule["labels"]["severity"]): rule
        for group in found["groups"]
        for rule in group["rules"]
    }


def _groups(rules: Path) -> list[str]:
    return [group["name"] for group in yaml.safe_load(rules.read_text("utf-8"))["groups"]]


def _test(case: Case, known: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    given = {**(ALWAYS if case.always else {}), **{_named(n): v for n, v in case.series.items()}}
    return {
        "name": f"{case.alert}: {case.what}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in given.items()],
        "alert_rule_test": [
            {
                "eval_time": case.at,
                "alertname": case.alert,
                "exp_alerts": [_expected(case.alert, one, known) for one in case.fires],
            }
        ],
    }


def _named(name: str) -> str:
    """`state{scope="x"}` -> `noggin_state{job=..., instance="h1", scope="x"}`."""
    if name.startswith("up"):
        return name
    bare, _, labels = name.partition("{")
    return f"noggin_{bare}{{{', '.join(filter(None, (JOB, labels.rstrip('}'))))}}}"


def _expected(
    alert: str, one: Fires, known: dict[tuple[str, str], dict[str, Any]]
) -> dict[str, Any]:
    severities = [severity for name, severity in known if name == alert]
    rule = known[alert, one.severity or severities[0]]
    return {
        "exp_labels": {**rule["labels"], **one.labels},
        "exp_annotations": {
            name: _rendered(template, one) for name, template in rule["annotations"].items()
        },
    }


def _rendered(template: str, one: Fires) -> str:
    """The template as Prometheus would fill it, of which the rules use little."""
    filled = re.sub(r"{{ \$value[^}]*}}", one.value, template)
    filled = re.sub(r"{{ \$labels\.(\w+) }}", lambda found: one.labels[found[1]], filled)
    return re.sub(
        r'{{ or \$labels\.(\w+) "([^"]*)" }}',
        lambda found: one.labels.get(found[1], found[2]),
        filled,
    )
