"""The shipped rules in fast time: the same expressions with short windows and waits."""

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "grafana" / "prometheus"
ALERTMANAGER = ROOT / "grafana" / "alertmanager"

FOR_S = {"0m": 0, "1m": 2, "2m": 4, "5m": 5, "10m": 5, "15m": 6, "2h": 8, "1d": 10}
"""What a rule's `for` becomes."""
WINDOW_S = {"5m": 15, "10m": 15, "1h": 30, "24h": 60, "1d": 60}
"""What a window or an offset of an expression becomes."""
LITERALS = {"> 3600": "> 6"}
"""Seconds that stand in an expression as a number."""

_WINDOW = re.compile(r"\[(\d+[smhd])\]|offset (\d+[smhd])")
_LEFT_ALONE = ("NogginTokenExpiring",)  # its days are compared with a token's own time


def rules(name: str) -> dict[str, Any]:
    """A shipped file of rules as it is: `recording` or `alerts`."""
    found: dict[str, Any] = yaml.safe_load((PROMETHEUS / "rules" / f"{name}.yml").read_text())
    return found


def expressions() -> dict[str, str]:
    """Every recording rule's and alert's expression, as shipped, by its name."""
    found = {}
    for name in ("recording", "alerts"):
        for group in rules(name)["groups"]:
            for rule in group["rules"]:
                steps = f" {rule['labels']['severity']}" if "alert" in rule else ""
                found[rule.get("record") or rule["alert"] + steps] = rule["expr"]
    return found


def quickened(expression: str, alert: str = "") -> str:
    """The expression with short windows. Raises: KeyError for a window without a short form."""

    def short(found: re.Match[str]) -> str:
        if found[1]:
            return f"[{WINDOW_S[found[1]]}s]"
        return f"offset {WINDOW_S[found[2]]}s"

    made = _WINDOW.sub(short, expression)
    if alert not in _LEFT_ALONE:
        for slow, quick in LITERALS.items():
            made = made.replace(slow, quick)
    return made


def write(folder: Path) -> None:
    """Put the quick copies of both files into `folder`."""
    for name in ("recording", "alerts"):
        made = rules(name)
        for group in made["groups"]:
            for rule in group["rules"]:
                rule["expr"] = quickened(rule["expr"], rule.get("alert", ""))
                if "for" in rule:
                    rule["for"] = f"{FOR_S[rule['for']]}s"
        (folder / f"{name}.yml").write_text(yaml.safe_dump(made, sort_keys=False))
