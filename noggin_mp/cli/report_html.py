"""A report as one HTML file: its own styles, charts as inline SVG, nothing from outside."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jinja2

from noggin_mp import resources
from noggin_mp.cli import report_text, tables, units
from noggin_mp.domain.report import Part, Report

_WIDTH: Final = 900
_HEIGHT: Final = 220
_LEFT: Final = 64
_TOP: Final = 10
_FOOT: Final = 24
_LINES: Final = 4
_MOST_MARKS: Final = 12
_GAP: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A bar chart with its geometry computed; the template only writes it down."""

    title: str
    bars: Sequence[Mapping[str, Any]]
    lines: Sequence[Mapping[str, Any]]
    marks: Sequence[Mapping[str, Any]]
    width: int = _WIDTH
    height: int = _HEIGHT
    left: int = _LEFT


def html(report: Report) -> str:
    """The whole page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.folder("config") / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=False,
    )
    environment.filters |= {"cell": lambda value: tables.cell(value, limit=200), "size": units.size}
    return environment.get_template("report.html.j2").render(
        report=report,
        records=chart(
            f"records by {report.period.unit}",
            report.parts,
            {"finished": _finished, "retrying": _retrying, "dead": _dead},
            lambda value: f"{value:,.0f}",
        ),
        bytes=chart(
            f"bytes by {report.period.unit}",
            report.parts,
            {"files": lambda part: part.size_bytes},
            lambda value: units.size(round(value)),
        ),
        types=list(report_text.types(report)),
        requests=list(report_text.requests(report)),
        stops=list(report_text.stops(report)),
        columns={
            "types": report_text.TYPES,
            "requests": report_text.REQUESTS,
            "stops": report_text.STOP_COLUMNS,
            "errors": report_text.ERRORS,
            "imports": report_text.IMPORTS,
            "acts": report_text.ACTS,
        },
        now=report_text.now(report),
    )


def chart(
    title: str,
    parts: Sequence[Part],
    stacked: Mapping[str, Callable[[Part], int]],
    said: Callable[[float], str],
) -> Chart:
    """Bars over the parts of the period, one stack each; `said` writes a value."""
    tops = [sum(value(part) for value in stacked.values()) for part in parts]
    ceiling = _nice(max(tops, default=0))
    plot = _HEIGHT - _TOP - _FOOT
    step = (_WIDTH - _LEFT) / max(1, len(parts))
    bars = []
    for number, part in enumerate(parts):
        floor = float(_HEIGHT - _FOOT)
        for kind, value in stacked.items():
            if not value(part):
                continue
            height = plot * value(part) / ceiling
            floor -= height
            bars.append({
                "kind": kind, "x": round(_LEFT + step * (number + _GAP / 2), 1),
                "y": round(floor, 1), "width": round(step * (1 - _GAP), 1),
                "height": round(max(height, 0.5), 1),
                "title": f"{part.label}: {said(value(part))} {kind}",
            })  # fmt: skip
    lines = [
        {"y": round(_HEIGHT - _FOOT - plot * n / _LINES, 1), "text": said(ceiling * n / _LINES)}
        for n in range(_LINES + 1)
    ]
    every = math.ceil(len(parts) / _MOST_MARKS)
    marks = [
        {"x": round(_LEFT + step * (number + 0.5), 1), "text": part.label}
        for number, part in enumerate(parts)
        if number % every == 0
    ]
    return Chart(title=title, bars=bars, lines=lines, marks=marks)


def _nice(highest: int) -> int:
    """A round number not below `highest`, a multiple of the number of lines."""
    if highest <= _LINES:
        return _LINES
    power = 10.0 ** math.floor(math.log10(highest))
    for factor in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10):
        if factor * power >= highest:
            return math.ceil(factor * power / _LINES) * _LINES
    return highest


def _finished(part: Part) -> int:
    return part.finished


def _retrying(part: Part) -> int:
    return part.retrying


def _dead(part: Part) -> int:
    return part.dead
