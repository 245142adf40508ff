"""What a run found, as JSON and as a page."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.observability.coverage import Answer
from tests.observability.stage import Mark
from tests.observability.truth import Pair

NAME = "observed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A whole run. `exact` holds the comparisons after each phase that allows them."""

    marks: list[Mark]
    exact: list[tuple[str, list[Pair]]]
    answers: list[Answer]
    alerts: list[Answer]
    dips: float
    lost_at_kills: float
    skipped: list[str]
    took_s: float

    @property
    def faults(self) -> list[str]:
        """What does not hold, in words."""
        wrong = [
            f"{phase}: {pair.what}: Prometheus has {pair.seen:g}, true is {pair.true:g}"
            for phase, pairs in self.exact
            for pair in pairs
            if not pair.equal
        ]
        wrong += [f"empty: {one.name}" for one in self.answers if one.empty]
        played = {alert for mark in self.marks for alert in mark.wanted}
        wrong += [
            f"empty: {one.name}"
            for one in self.alerts
            if one.empty and one.name.removeprefix("alert ") in played
        ]
        if self.dips:
            wrong.append(f"{self.dips:g} counters fell")
        return wrong


def write(found: Found, folder: Path, pictures: list[Path]) -> None:
    """Write `observed.json` and `observed.md` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{NAME}.json").write_text(json.dumps(_json(found), indent=1) + "\n", "utf-8")
    (folder / f"{NAME}.md").write_text(page(found, pictures), "utf-8")


def _json(found: Found) -> dict[str, Any]:
    zero = found.marks[0].start
    return {
        "schema_version": 1,
        "took_s": round(found.took_s),
        "faults": found.faults,
        "skipped": found.skipped,
        "phases": [
            {
                "name": mark.name,
                "start_s": round(mark.start - zero, 1),
                "end_s": round(mark.end - zero, 1),
                "wanted": {name: round(s, 1) for name, s in mark.fired_after_s.items()},
                "fired": sorted(mark.fired),
            }
            for mark in found.marks
        ],
        "exact": [
            {"after": phase, **asdict(pair)} for phase, pairs in found.exact for pair in pairs
        ],
        "expressions": [
            {**asdict(one), "least": _number(one.least), "most": _number(one.most)}
            for one in (*found.answers, *found.alerts)
        ],
        "counters_that_fell": found.dips,
        "requests_lost_at_kills": found.lost_at_kills,
    }


def _number(value: float) -> float | None:
    return None if value != value else round(value, 6)


def page(found: Found, pictures: list[Path]) -> str:
    """The page."""
    held = ["**Everything holds.**"] if not found.faults else ["**These do not hold:**", ""]
    lines = [
        "# Dashboards and alerts, observed",
        "",
        f"Written by `make observe` on {time.strftime('%Y-%m-%d')}, in {found.took_s / 60:.0f}"
        " minutes: a fleet of two workers with four threads each against the simulator, watched by"
        " a real Prometheus and Alertmanager with the shipped rules in fast time (5 minutes are 15"
        " seconds, an hour is 30, a day 60). What the pictures show is told in"
        " [observability](../explanation/observability.md).",
        "",
        *held,
        *[f"- {one}" for one in found.faults],
        "",
        *_phases(found),
        *_exact(found),
        "## Expressions",
        "",
        f"{len(found.answers)} expressions of panels and recording rules were asked over the whole"
        f" run; {sum(one.empty for one in found.answers)} gave nothing. Each is in"
        f" `{NAME}.json` with its least and greatest value.",
        "",
        "## Pictures",
        "",
    ]
    for path in pictures:
        lines += [f"![{path.stem}](../images/{path.name})", ""]
    return "\n".join(lines)


def _phases(found: Found) -> list[str]:
    return [
        "## Phases and their alerts",
        "",
        "| phase | seconds | alerts that had to fire, after | others that fired |",
        "|---|---|---|---|",
        *[_row(mark) for mark in found.marks],
        *[f"| {name} | not played here | | |" for name in found.skipped],
        "",
        "Others are what the same fault means besides, or what an earlier one left in the window"
        " of a rule.",
        "",
    ]


def _row(mark: Mark) -> str:
    wanted = ", ".join(
        f"`{name.split()[0]}` {name.split()[1]} {s:.0f} s" for name, s in mark.fired_after_s.items()
    )
    others = ", ".join(sorted({f"`{name.split()[0]}`" for name in mark.fired - mark.wanted}))
    seconds = f"{mark.end - mark.start:.0f}"
    return f"| {mark.name} | {seconds} | {wanted or 'none'} | {others or 'none'} |"


def _exact(found: Found) -> list[str]:
    last, pairs = found.exact[-1]
    return [
        "## Exactly equal",
        "",
        f"Compared after each of {len(found.exact)} phases; here after the last, *{last}*.",
        "",
        "| number | Prometheus | simulator's log, or SQL |",
        "|---|---|---|",
        *[f"| {one.what} | {one.seen:.0f} | {one.true:.0f} |" for one in pairs],
        "",
        f"Workers were killed later on: {found.lost_at_kills:.0f} requests that were in flight"
        f" then are in the simulator's log only. Counters that ever fell: {found.dips:.0f}.",
        "",
    ]
