"""Panels, and a dashboard that lays them out in lines without gaps or overlaps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

SCHEMA_VERSION = 39
WIDTH = 24
RUNBOOKS = "https://noggin-mp.example/docs/runbooks"
TAG = "noggin_mp"
DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}

GREEN, YELLOW, ORANGE, RED, BLUE, PURPLE, GREY = (
    "green", "yellow", "orange", "red", "blue", "purple", "#808080"
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One expression of a panel, and how its series are called."""

    expr: str
    legend: str = "__auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One panel. `runbook` is a page and anchor below the runbooks; `steps` colour its values."""

    title: str
    description: str
    targets: tuple[Target, ...]
    kind: str = "timeseries"
    unit: str = "short"
    steps: tuple[tuple[float | None, str], ...] = ((None, GREEN),)
    mappings: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    runbook: str = ""
    stacked: bool = False
    least: float | None = 0
    most: float | None = None
    decimals: int | None = None

    def json(self, *, number: int, place: Json) -> Json:
        """The panel as Grafana reads it."""
        instant = self.kind in ("stat", "table")
        made: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": place,
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
            "targets": [
                {
                    "refId": chr(ord("A") + index),
                    "datasource": DATASOURCE,
                    "editorMode": "code",
                    "expr": target.expr,
                    "legendFormat": target.legend,
                    "instant": instant,
                    "range": not instant,
                }
                for index, target in enumerate(self.targets)
            ],
        }
        if self.runbook:
            made["links"] = [
                {"title": "Runbook", "url": f"${{runbooks}}/{self.runbook}", "targetBlank": True}
            ]
        return made

    def _defaults(self) -> Json:
        made: Json = {
            "unit": self.unit,
            "color": {"mode": "thresholds" if self._coloured else "palette-classic"},
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": value, "color": color} for value, color in self.steps],
            },
            "mappings": [self._mapped()] if self.mappings else [],
        }
        for name, value in (("min", self.least), ("max", self.most), ("decimals", self.decimals)):
            if value is not None:
                made[name] = value
        if self.kind == "timeseries":
            made["custom"] = {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": 25 if self.stacked else 8,
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
            }
        elif self.kind == "state-timeline":
            made["custom"] = {"fillOpacity": 80, "lineWidth": 0}
        return made

    @property
    def _coloured(self) -> bool:
        return self.kind != "timeseries"

    def _mapped(self) -> Json:
        return {
            "type": "value",
            "options": {
                value: {"text": text, "color": color, "index": index}
                for index, (value, (text, color)) in enumerate(self.mappings.items())
            },
        }

    def _options(self) -> Json:
        if self.kind == "stat":
            return {
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "colorMode": "value",
                "graphMode": "none",
                "textMode": "auto",
            }
        legend = {"displayMode": "table", "placement": "right", "showLegend": True}
        if self.kind == "state-timeline":
            return {
                "showValue": "auto",
                "rowHeight": 0.8,
                "mergeValues": True,
                "legend": {**legend, "displayMode": "list", "placement": "bottom"},
                "tooltip": {"mode": "single"},
            }
        return {
            "legend": {**legend, "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }


@dataclass(slots=True, kw_only=True)
class Dashboard:
    """A dashboard in the making: `row` begins a section, `line` puts panels side by side."""

    uid: str
    title: str
    description: str
    variables: tuple[str, ...]
    panels: list[Json] = field(default_factory=list)
    _y: int = 0

    def row(self, title: str) -> None:
        """Begin a section."""
        place = {"x": 0, "y": self._y, "w": WIDTH, "h": 1}
        self.panels.append(
            {
                "id": len(self.panels) + 1,
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": place,
                "panels": [],
            }
        )
        self._y += 1

    def line(self, *panels: Panel, height: int = 8) -> None:
        """Put panels side by side over the whole width."""
        edges = [round(index * WIDTH / len(panels)) for index in range(len(panels) + 1)]
        for panel, left, right in zip(panels, edges[:-1], edges[1:], strict=True):
            place = {"x": left, "y": self._y, "w": right - left, "h": height}
            self.panels.append(panel.json(number=len(self.panels) + 1, place=place))
        self._y += height

    def json(self) -> Json:
        """The whole dashboard."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA_VERSION,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "browser",
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "templating": {"list": [_variable(name) for name in self.variables]},
            "links": _links(),
            "annotations": {"list": []},
            "panels": self.panels,
        }


def _links() -> list[Json]:
    return [
        {
            "type": "dashboards",
            "title": "noggin_mp",
            "tags": [TAG],
            "asDropdown": True,
            "includeVars": True,
            "keepTime": True,
        },
        {
            "type": "link",
            "title": "Runbooks",
            "url": "${runbooks}/README.md",
            "targetBlank": True,
        },
    ]


VALUES_OF = {
    "instance": 'label_values(up{job="noggin_mp"}, instance)',
    "scope": "label_values(noggin_breaker_state, scope)",
    "worker": 'label_values(noggin_worker_up{instance=~"$instance"}, worker)',
    "type": "label_values(noggin_queue_tips, type)",
}
"""What each variable may be, asked of Prometheus."""


def _variable(name: str) -> Json:
    if name == "datasource":
        return {
            "name": name,
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
            "hide": 0,
        }
    if name == "runbooks":
        return {"name": name, "type": "constant", "query": RUNBOOKS, "hide": 2}
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": VALUES_OF[name], "refId": name},
        "definition": VALUES_OF[name],
        "refresh": 2,
        "sort": 3,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
    }
