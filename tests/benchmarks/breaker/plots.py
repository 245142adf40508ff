"""The pictures: one outage over time, how soon the fleet stands still, and the peers beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import figure, patches

from tests.benchmarks.breaker import history, outage, peers, stops, traffic
from tests.benchmarks.breaker.traffic import S

mpl.use("Agg")
mpl.rcParams.update(
    {
        "svg.hashsalt": "noggin",  # the same picture for the same figures
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
)
GOOD, BAD, PROBE = "#3b7a57", "#c0392b", "#1f4e9c"
BANDS = {"open": ("#f7d4cf", "open"), "half_open": ("#f5d76e", "half-open")}
_SHOWN_AFTER_S = 9.0


def timeline(seen: outage.Outage, path: Path) -> None:
    """Every request of one outage in its worker's lane, the breaker's state behind them."""
    zero = seen.down_ns
    sheet = figure.Figure(figsize=(9.5, 4.8), layout="constrained")
    lanes, rate = sheet.subplots(2, 1, sharex=True, height_ratios=[3, 1.2])
    ends = min(seen.end_ns, seen.close_ns + int(_SHOWN_AFTER_S * S))
    begins = zero - int(min(seen.plan.warm_s, 5) * S)
    shown = traffic.between(seen.requests, begins, ends)
    _states(lanes, rate, seen, zero, ends)
    _lanes(lanes, seen, shown, zero)
    counts = traffic.per_second(shown, zero)
    failed = traffic.per_second((one for one in shown if not one.ok), zero)
    seconds = range(begins // S - zero // S, (ends - zero) // S + 1)
    rate.bar([s + 0.5 for s in seconds], [counts[s] for s in seconds], width=0.9, color=GOOD)
    rate.bar([s + 0.5 for s in seconds], [failed[s] for s in seconds], width=0.9, color=BAD)
    rate.set_ylabel("requests/s")
    rate.set_xlabel("seconds since the API began to fail")
    rate.set_xlim((begins - zero) / S, (ends - zero) / S)
    _save(sheet, path)


def _states(lanes: Any, rate: Any, seen: outage.Outage, zero: int, ends: int) -> None:
    for state, start, end in history.spans(seen.of_api(), outage.API, ends):
        if state in BANDS:
            # A trial of some milliseconds would be too narrow to see.
            least = 0.008 * (ends - zero) / S if state == "half_open" else 0.0
            width = max((end - start) / S, least)
            for axis in (lanes, rate):
                axis.axvspan(
                    (start - zero) / S, (start - zero) / S + width, color=BANDS[state][0], lw=0
                )
    for axis in (lanes, rate):
        axis.axvline(0, color=BAD, lw=1)
        axis.axvline((seen.up_ns - zero) / S, color=GOOD, lw=1)
    lanes.text(0, 1.01, "API fails", color=BAD, transform=lanes.get_xaxis_transform())
    lanes.text(
        (seen.up_ns - zero) / S, 1.01, "API is back", color=GOOD, ha="right",
        transform=lanes.get_xaxis_transform(),
    )  # fmt: skip


def _lanes(lanes: Any, seen: outage.Outage, shown: Sequence[traffic.Request], zero: int) -> None:
    names = sorted({one.worker for one in shown}, reverse=True)
    rows = {name: at for at, name in enumerate(names)}
    probes = {id(one) for one in seen.probes}
    kinds = [
        ([one for one in shown if one.ok and id(one) not in probes], GOOD, "|", 28, "answered"),
        ([one for one in shown if not one.ok and id(one) not in probes], BAD, "|", 60, "failed"),
        ([one for one in shown if id(one) in probes], PROBE, "D", 26, "probe"),
    ]
    marks = []
    for requests, colour, marker, size, label in kinds:
        marks.append(
            lanes.scatter(
                [(one.start_ns - zero) / S for one in requests],
                [rows[one.worker] for one in requests],
                c=colour,
                marker=marker,
                s=size,
                lw=0.8,
                label=label,
                zorder=3 if marker == "|" else 4,
                rasterized=len(requests) > 500,
            )
        )
    lanes.set_yticks(range(len(names)), [name.replace("/", " ") for name in names])
    bands = [patches.Patch(color=colour, label=label) for colour, label in BANDS.values()]
    lanes.legend(
        handles=[*marks, *bands], ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.06),
        frameon=False,
    )  # fmt: skip


def standstill(groups: Sequence[tuple[str, float, Sequence[float]]], path: Path) -> None:
    """Milliseconds to the last request of each repetition, with the bound of each group."""
    sheet = figure.Figure(figsize=(7.5, 0.55 * len(groups) + 1.1), layout="constrained")
    axis = sheet.subplots()
    for at, (_, bound, values) in enumerate(reversed(groups)):
        spread = [at + 0.12 * ((n % 5) - 2) / 2 for n in range(len(values))]
        axis.scatter([max(v, 0.5) for v in values], spread, s=14, color=PROBE, alpha=0.7, lw=0)
        axis.plot([bound, bound], [at - 0.35, at + 0.35], color=BAD, lw=1.5)
    axis.set_yticks(range(len(groups)), [name for name, *_ in reversed(groups)])
    axis.set_xscale("log")
    axis.set_xlim(0.4, 6000)
    axis.set_xlabel(
        "ms from the commit to the last new request (none: at the left edge); red: promised"
    )
    _save(sheet, path)


def beside(
    ours: Sequence[outage.Outage], theirs: Sequence[peers.Peer], size: int, path: Path
) -> None:
    """Requests sent in vain, by system: before its first trial, and as probes."""
    mine = next(one for one in ours if one.plan.workers == size)
    bars = [("noggin_mp", mine.leaked, mine.in_vain)]
    bars += [
        (peers.KINDS[one.kind], one.leaked, one.probes)
        for one in theirs
        if one.workers == size and not one.skipped
    ]
    sheet = figure.Figure(figsize=(7.5, 0.6 * len(bars) + 1.2), layout="constrained")
    axis = sheet.subplots()
    for at, (_, leaked, probes) in enumerate(reversed(bars)):
        for shift, value, colour in ((0.2, leaked, BAD), (-0.2, probes, PROBE)):
            axis.barh(at + shift, max(value, 0.8), height=0.36, color=colour)
            axis.text(max(value, 0.8) * 1.08, at + shift, str(value), va="center")
    axis.set_yticks(range(len(bars)), [name for name, *_ in reversed(bars)])
    axis.set_xscale("log")
    axis.set_xlim(left=0.5)
    axis.set_xlabel(f"requests in vain, {size} workers, one outage of {mine.plan.outage_s:.0f} s")
    handles = [
        patches.Patch(color=BAD, label="before the first trial"),
        patches.Patch(color=PROBE, label="afterwards"),
    ]
    axis.legend(handles=handles, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    _save(sheet, path)


def groups(
    measured: Sequence[stops.Stops], deaf: Sequence[stops.Stop]
) -> list[tuple[str, float, list[float]]]:
    """What `standstill` draws: name, bound in ms, values."""
    found: list[tuple[str, float, list[float]]] = []
    for one in measured:
        size = f"{one.workers} x {one.threads}"
        found.append((f"trip, {size}", 50, [stop.last_ms for stop in one.trips]))
        if one.by_hand:
            found.append((f"by hand, {size}", 50, [stop.last_ms for stop in one.by_hand]))
    if deaf:
        found.append(("by hand, NOTIFY lost", 1200, [stop.last_ms for stop in deaf]))
    return found


def _save(sheet: figure.Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.savefig(path, metadata={"Date": None}, dpi=110)
