"""The dashboards' panels drawn from a recorded run, and when each alert fired."""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import figure

from tests.observability import dashboards, servers
from tests.observability.stage import Mark, Stage

mpl.use("Agg")
mpl.rcParams.update(
    {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 9}
)
COLUMNS = 3
MAIN = {
    "fleet": (
        "Alerts", "State", "Threads kept waiting", "Requests by outcome", "Failures by reason",
        "Share that failed", "Duration, records", "Opens", "Share of time open", "TIPs by state",
        "Age of the oldest ready TIP", "TIPs per second", "Dead letters", "Slots by state",
        "Ends of workers", "Workers up", "Requests per worker", "Age of the last sign of life",
        "Bytes per second", "Disk used", "Oldest snapshot",
    ),
}  # fmt: skip
"""The panels of a dashboard that are drawn; all of those that are not named here."""
MOST_SERIES = 12
_SCALES = {"bytes": (1e-6, "MB"), "Bps": (1e-3, "kB/s"), "percentunit": (100, "%"), "s": (1, "s"),
           "reqps": (1, "requests/s"), "short": (1, "")}  # fmt: skip
_COLOURS = {
    "green": "#3b7a57", "yellow": "#f2cc0c", "orange": "#e67e22", "red": "#c0392b",
    "blue": "#2f6fb3", "purple": "#7d3c98", "#808080": "#b0b0b0",
}  # fmt: skip
Points = list[tuple[float, float]]


def draw(stage: Stage, end: float, folder: Path) -> list[Path]:
    """One picture for each dashboard and one for the alerts; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [_dashboard(stage, end, path, folder) for path in dashboards.FILES]
    return [*made, _alerts(stage, end, folder / "observed-alerts.png")]


def _dashboard(stage: Stage, end: float, path: Path, folder: Path) -> Path:
    plain = [
        panel
        for panel in dashboards.load(path)["panels"]
        if panel["type"] in ("timeseries", "state-timeline")
    ]
    if path.stem in MAIN:
        plain = sorted(
            (panel for panel in plain if panel["title"] in MAIN[path.stem]),
            key=lambda panel: MAIN[path.stem].index(panel["title"]),
        )
    rows = -(-len(plain) // COLUMNS)
    sheet = figure.Figure(figsize=(15, 2.5 * rows), layout="constrained", dpi=80)
    axes = list(sheet.subplots(rows, COLUMNS, squeeze=False).flat)
    for axis, panel in zip(axes, plain, strict=False):
        _panel(stage, end, axis, panel)
    for axis in axes[len(plain) :]:
        axis.set_axis_off()
    out = folder / f"observed-{path.stem}.png"
    sheet.savefig(out)
    return out


def _panel(stage: Stage, end: float, axis: Any, panel: dict[str, Any]) -> None:
    lines: dict[str, Points] = {}
    for target in panel["targets"]:
        asked = dashboards.Shown(dashboard="", panel="", index=0, expr=target["expr"]).asked()
        for labels, points in stage.prometheus.series(asked, stage.began, end).items():
            moved = [(at - stage.began, value) for at, value in points]
            lines[_legend(target["legendFormat"], labels)] = moved
    _phases(axis, stage)
    if panel["type"] == "timeseries":
        _lines(axis, panel, lines)
    else:
        _bands(axis, panel, lines)
    axis.set_title(panel["title"], loc="left")
    axis.set_xlim(0, end - stage.began)


def _legend(form: str, labels: servers.Labels) -> str:
    of = dict(labels)
    of.pop("instance", None)  # one host: its address says nothing
    named = re.sub(r"{{(\w+)}}", lambda found: of.get(found[1], ""), form).strip()
    return re.sub(r"\d+\.\d+\.\d+\.\d+", "api", named) or "host"


def _lines(axis: Any, panel: dict[str, Any], lines: dict[str, Points]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    scale, unit = _SCALES[defaults["unit"]]
    ranked = sorted(lines.items(), key=lambda one: -max((v for _, v in one[1]), default=0))
    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    base: dict[float, float] = {}
    for name, points in ranked[:MOST_SERIES]:
        told = name if any(value for _, value in points) else None  # zeros need no name
        at = [round(t) for t, _ in points]
        values = [value * scale for _, value in points]
        if stacked:
            low = [base.get(t, 0.0) for t in at]
            high = [a + b for a, b in zip(low, values, strict=True)]
            base.update(zip(at, high, strict=True))
            axis.fill_between(at, low, high, label=told, lw=0, alpha=0.8)
        else:
            axis.plot(at, values, label=told, lw=1)
    axis.set_ylabel(unit)
    axis.set_ylim(bottom=0)
    if any(value for _, points in ranked for _, value in points):
        axis.legend(fontsize=6, loc="upper left", framealpha=0.6, edgecolor="none", ncols=2)


def _bands(axis: Any, panel: dict[str, Any], lines: dict[str, Points]) -> None:
    options = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    seen: set[str] = set()
    names = sorted(lines, reverse=True)
    for row, name in enumerate(names):
        for at, value in lines[name]:
            mapped = options.get(f"{value:g}", {"text": f"{value:g}", "color": "#808080"})
            label = mapped["text"] if mapped["text"] not in seen else None
            seen.add(mapped["text"])
            colour = _COLOURS[mapped["color"]]
            axis.barh(row, 1.05, left=at, height=0.7, color=colour, label=label, lw=0)
    axis.set_yticks(range(len(names)), [name[:34] for name in names], fontsize=6)
    axis.set_ylim(-0.6, max(len(names), 3) + 0.2)  # room above for what the colours mean
    if seen:
        axis.legend(fontsize=6, loc="upper left", frameon=False, ncols=5)


def _phases(axis: Any, stage: Stage) -> None:
    for number, mark in enumerate(stage.marks):
        if number % 2 == 0:
            axis.axvspan(mark.start - stage.began, mark.end - stage.began, color="#f2f2f2", lw=0)


def _alerts(stage: Stage, end: float, out: Path) -> Path:
    found = stage.prometheus.series("ALERTS", stage.began, end)
    rows: dict[str, dict[str, Points]] = {}
    for labels, points in found.items():
        of = dict(labels)
        name = f"{of['alertname'].removeprefix('Noggin')} ({of['priority']})"
        rows.setdefault(name, {}).setdefault(of["alertstate"], []).extend(points)
    order = sorted(rows, key=lambda name: -min(t for p in rows[name].values() for t, _ in p))
    sheet = figure.Figure(figsize=(13, 7), layout="constrained", dpi=90)
    axis = sheet.subplots()
    _phases(axis, stage)
    for row, name in enumerate(order):
        for state, colour in (("pending", "#f2cc0c"), ("firing", "#c0392b")):
            at = sorted({round(t - stage.began) for t, _ in rows[name].get(state, [])})
            axis.barh([row] * len(at), 1.05, left=at, height=0.7, color=colour, lw=0)
    axis.set_yticks(range(len(order)), order)
    _named(axis, stage.marks, stage.began, len(order))
    axis.set_xlabel("seconds; yellow: pending, red: firing; grey and white: the phases")
    axis.set_xlim(0, end - stage.began)
    sheet.savefig(out)
    return out


def _named(axis: Any, marks: Sequence[Mark], zero: float, rows: int) -> None:
    for mark in marks:
        middle = (mark.start + mark.end) / 2 - zero
        text = textwrap.shorten(mark.name, 26)
        axis.text(middle, rows - 0.3, text, rotation=60, fontsize=7, ha="left", va="bottom")
