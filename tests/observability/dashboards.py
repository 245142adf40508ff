"""The committed dashboards as data: panels, expressions, the metrics they use."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))

_METRIC = re.compile(r"\bnoggin_[a-z_]+\b")
_PART = re.compile(r"_(bucket|sum|count)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One expression of one panel."""

    dashboard: str
    panel: str
    index: int
    expr: str

    @property
    def name(self) -> str:
        """For tables and messages."""
        return f"{self.dashboard} / {self.panel}" + (f" #{self.index + 1}" if self.index else "")

    def asked(self, rate_interval: str = "15s") -> str:
        """The expression as Grafana sends it, with every variable at `All`."""
        made = self.expr.replace("$__rate_interval", rate_interval)
        return re.sub(r"\$(instance|scope|worker|type)\b", ".+", made)


def load(path: Path) -> dict[str, Any]:
    """One dashboard."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def shown() -> Iterator[Shown]:
    """Every expression of every panel."""
    for path in FILES:
        made = load(path)
        for panel in made["panels"]:
            for index, target in enumerate(panel.get("targets", [])):
                yield Shown(
                    dashboard=path.stem, panel=panel["title"], index=index, expr=target["expr"]
                )


def metrics(expression: str, histograms: set[str]) -> set[str]:
    """The exported metrics an expression uses, histograms by their own names."""
    found = set(_METRIC.findall(expression)) - {"noggin_mp"}
    return {bare if (bare := _PART.sub("", name)) in histograms else name for name in found}
