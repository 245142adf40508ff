"""The breaker's promises (B1 to B4), by the real fleet, with other breakers on the same outage."""

import dataclasses
import sys
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any, ParamSpec, TypeVar

from tests.benchmarks import report
from tests.benchmarks.breaker import (
    charges,
    lost,
    outage,
    peers,
    probes,
    promises,
    stage,
    stops,
    traffic,
    waiting,
)

P = ParamSpec("P")
T = TypeVar("T")

NOTES = (
    "One machine runs everything: Postgres (durable, as installed), the outage server, the fleet"
    " and the peers.",
    "The machine was shared with other work meanwhile; see the load average below.",
    "The outage server answers after 20 ms, also when it fails; peers pause 50 ms after a failure"
    " or a refusal. All have fail_max 5, the same open time and two successes to close.",
    "What noggin_mp leaks before its first trial counts records and files; peers only get records."
    " Where only one role of the host fails, fail_max grows to the number of busy workers: eight of"
    " them trip at eight failures, a Redis-shared pybreaker at five.",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much of everything."""

    tips: int
    plans: tuple[outage.Plan, ...]
    sizes: tuple[tuple[int, int, tuple[str, ...], int], ...]  # workers, threads, modes, by hand
    deaf: int
    frozen: int
    stopped: int
    blows: tuple[str, ...]
    watched_s: float


QUICK = Scale(
    tips=4000,
    plans=(outage.Plan(workers=8, warm_s=3, outage_s=14, open_s=4, after_s=3),),
    sizes=((8, 1, ("503", "reset", "html", "truncate"), 3),),
    deaf=2,
    frozen=1,
    stopped=0,
    blows=("killed",),
    watched_s=5,
)
FULL = Scale(
    tips=16000,
    plans=(outage.Plan(workers=8), outage.Plan(workers=4)),
    sizes=(
        (4, 1, ("503", "reset") * 5, 10),
        (8, 1, ("503", "reset", "html", "truncate") * 5 + ("stall",) * 4, 15),
        (4, 2, ("503", "reset", "html", "stall") * 3, 5),
        (4, 8, ("503", "reset") * 3, 5),
        (8, 8, ("503", "reset") * 3, 5),
    ),
    deaf=6,
    frozen=2,
    stopped=2,
    blows=("killed", "killed", "killed", "frozen", "cut off"),
    watched_s=15,
)


def run(options: report.Options) -> report.Report:
    """Measure everything, draw the pictures, and say what holds."""
    scale = QUICK if options.quick else FULL
    with stage.stage(tips=scale.tips) as made:
        environment = report.environment(made.dsn)
        found = measure(made, scale)
    names = draw(found, options)
    kind = "short form" if options.quick else "full form"
    return report.Report(
        suite="breaker",
        title=f"the breaker ({kind})",
        promises=promises.of(found),
        tables=[promises.beside(found)],
        notes=NOTES,
        pictures=names,
        environment=environment,
        details=_details(found),
    )


def measure(made: stage.Stage, scale: Scale) -> promises.Findings:
    """Play every scenario, one after another; the peers beside those that measure no time."""
    outages = [_told(f"outage, {plan.workers} workers", outage.real, made, plan)
               for plan in scale.plans]  # fmt: skip
    stopped = [
        _told(
            f"stops, {workers} x {threads}", stops.measured, made,
            workers=workers, threads=threads, modes=modes, by_hand=by_hand,
        )
        for workers, threads, modes, by_hand in scale.sizes
    ]  # fmt: skip
    deaf = _told("NOTIFY lost", stops.without_notify, made, workers=8, repeats=scale.deaf)
    gone = _told(
        "database lost", lost.database, made,
        workers=4, threads=8, frozen=scale.frozen, stopped=scale.stopped,
    )  # fmt: skip
    waits = _told(
        "waiting", waiting.measured, made, workers=4, threads=8, watched_s=scale.watched_s
    )
    idle = [
        _told(
            f"idle, {workers} workers", waiting.idle, made,
            workers=workers, threads=8, watched_s=scale.watched_s,
        )
        for workers in (4, 8)
    ]  # fmt: skip
    folder = made.folder / "peers"
    folder.mkdir()
    sizes = [plan.workers for plan in scale.plans]
    with futures.ThreadPoolExecutor(1) as beside:
        theirs = beside.submit(peers.measured, folder, scale.plans[0], sizes=sizes)
        blows = _told("blows to the prober", probes.measured, made, workers=8, blows=scale.blows)
        charged = _told("charges", charges.measured, made, workers=4, threads=2)
        others = _told("peers", theirs.result)
    return promises.Findings(
        outages=outages,
        stops=stopped,
        deaf=deaf,
        lost=gone,
        blows=blows,
        charges=charged,
        peers=others,
        waits=waits,
        idle=idle,
    )


def draw(found: promises.Findings, options: report.Options) -> list[tuple[str, str]]:
    """Draw the pictures; their file names and titles."""
    from tests.benchmarks.breaker import plots  # only who draws needs the library

    first = found.outages[0]
    plots.timeline(first, options.out / "breaker-timeline.svg")
    plots.standstill(plots.groups(found.stops, found.deaf), options.out / "breaker-stops.svg")
    size = first.plan.workers
    plots.beside(found.outages, found.peers, size, options.out / "breaker-peers.svg")
    return [
        ("breaker-timeline.svg", f"One outage of {first.plan.outage_s:.0f} s, {size} workers"),
        ("breaker-stops.svg", "From the commit to the last new request"),
        ("breaker-peers.svg", "Requests in vain, by system"),
    ]


def _told(what: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    began = time.monotonic()
    result = work(*args, **kwargs)
    sys.stderr.write(f"breaker: {what}: {time.monotonic() - began:.0f} s\n")
    return result


def _details(found: promises.Findings) -> dict[str, Any]:
    """Everything but the single requests of the long outages."""
    details = dataclasses.asdict(dataclasses.replace(found, outages=()))
    details["outages"] = [
        {
            "plan": dataclasses.asdict(seen.plan),
            "leaked": seen.leaked,
            "wasted": seen.wasted,
            "probes_in_vain": seen.in_vain,
            "remaining_s": round(seen.remaining_s, 3),
            "resume_lag_s": round(seen.resume_lag_s, 3),
            "full_again_s": seen.full_again_s,
            "events": [
                {
                    "at_s": round((one.at_ns - seen.down_ns) / traffic.S, 3),
                    "kind": one.kind,
                    "scope": one.scope,
                    "worker": one.worker,
                    "reason": one.reason,
                }
                for one in seen.events
            ],
        }
        for seen in found.outages
    ]
    return details
