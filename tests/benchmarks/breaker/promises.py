"""The figures of all scenarios as promises that hold or do not (rows B1 to B4)."""

import dataclasses
from collections.abc import Iterator, Sequence

from tests.benchmarks import report
from tests.benchmarks.breaker import (
    charges,
    lost,
    outage,
    peers,
    probes,
    stops,
    traffic,
    waiting,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was measured."""

    outages: Sequence[outage.Outage]
    stops: Sequence[stops.Stops]
    deaf: Sequence[stops.Stop]
    lost: Sequence[lost.Loss]
    blows: Sequence[probes.Trial]
    charges: charges.Charges
    peers: Sequence[peers.Peer]
    waits: Sequence[waiting.Wait] = ()
    idle: Sequence[waiting.Wait] = ()


def of(found: Findings) -> list[report.Promise]:
    """Every promise with its figure."""
    return [
        *_leaks(found),
        *_stills(found),
        *_probes(found),
        *_resumes(found),
        *_losses(found),
        *_charges(found),
        *_waits(found),
        *_idle(found),
    ]


def _leaks(found: Findings) -> Iterator[report.Promise]:
    for one in found.stops:
        for mode in dict.fromkeys(stop.mode for stop in one.trips):
            counts = [stop.leaked for stop in one.trips if stop.mode == mode]
            yield report.Promise(
                row="B1",
                what=f"requests leaked, outage of {mode}, {one.workers} x {one.threads}",
                bound=f"<= {one.bound}",
                figure=f"median {traffic.median(counts):.0f}, most {max(counts)} of {len(counts)}",
                holds=max(counts) <= one.bound,
                note=f"{stops.FAIL_MAX} + 2 x {one.workers * one.threads}: fail_max as configured.",
            )


def _stills(found: Findings) -> Iterator[report.Promise]:
    for one in found.stops:
        for name, each in (("a trip", one.trips), ("an opening by hand", one.by_hand)):
            last = [stop.last_ms for stop in each]
            if last:
                p99 = traffic.quantile(last, 0.99)
                yield report.Promise(
                    row="B1",
                    what=f"commit of {name} to the last new request, {one.workers} x {one.threads}",
                    bound="p99 < 50 ms",
                    figure=f"median {traffic.median(last):.1f}, p99 {p99:.1f} ms of {len(last)}",
                    # Promised for one thread: eight of them share one interpreter.
                    holds=p99 < 50 if one.threads == 1 else None,
                    note=f"{sum(stop.late for stop in each)} requests in {len(last)} repetitions"
                    " arrived after the commit.",
                )


def _probes(found: Findings) -> Iterator[report.Promise]:
    for seen in found.outages:
        plan = seen.plan
        size = f"{plan.workers} x {plan.threads}"
        peak = traffic.peak(seen.probes)
        yield report.Promise(
            row="B2",
            what=f"probes in flight at once in an outage, {size}",
            bound="1",
            figure=str(peak),
            holds=peak == 1,
        )
        allowed = int(plan.outage_s / plan.open_s)
        yield report.Promise(
            row="B2",
            what=f"probes in {plan.outage_s:.0f} s, {plan.open_s:g} s open each time, {size}",
            bound=f"<= {allowed}",
            figure=str(seen.in_vain),
            holds=seen.in_vain <= allowed,
        )
    for blow in dict.fromkeys(trial.blow for trial in found.blows):
        trials = [trial for trial in found.blows if trial.blow == blow]
        peak = max(trial.peak for trial in trials)
        after = max(trial.next_s for trial in trials)
        yield report.Promise(
            row="B2",
            what=f"probes in flight at once, the probing worker is {blow}",
            bound="1, and another comes",
            figure=f"{peak} ({len(trials)}x; the next after {after:.1f} s at most)",
            holds=peak == 1,
            note=_BLOWS[blow],
        )


_BLOWS = {
    "killed": "kill -9 with the request in flight; the lease of"
    f" {probes.LEASE_S} s (probe_deadline_s + 1) runs out first.",
    "frozen": f"SIGSTOP for {probes.LEASE_S + 5} s, its request open at the server.",
    "cut off": "its database sessions hang, the server notices only after"
    f" {probes.LEASE_S + 4} s; its lease runs out before.",
}


def _resumes(found: Findings) -> Iterator[report.Promise]:
    for seen in found.outages:
        yield report.Promise(
            row="B3",
            what=f"closed after the open time is over, {seen.plan.workers} x {seen.plan.threads}",
            bound="<= 1 s",
            figure=f"{seen.resume_lag_s:.2f} s",
            holds=seen.resume_lag_s <= 1,
            note=f"{seen.remaining_s:.1f} s of open time were left when the API came back;"
            f" 80 % of the rate of before {seen.full_again_s:.0f} s after closing, with"
            f" recovery_ramp_s {seen.plan.ramp_s:g}.",
        )


def _losses(found: Findings) -> Iterator[report.Promise]:
    if found.deaf:
        last = max(stop.last_ms for stop in found.deaf) / 1e3
        yield report.Promise(
            row="B3",
            what="last new request after an opening, every NOTIFY lost",
            bound="<= 1.2 s",
            figure=f"{last:.2f} s of {len(found.deaf)}",
            holds=last <= 1.2,
            note="all listeners ended by pg_terminate_backend, twenty times a second.",
        )
    for how in dict.fromkeys(loss.how for loss in found.lost):
        losses = [loss for loss in found.lost if loss.how == how]
        still = max(loss.still_s for loss in losses)
        back = max(loss.back_s for loss in losses)
        yield report.Promise(
            row="B3",
            what=f"database {how}: last new request",
            bound="<= 3.5 s",
            figure=f"{still:.2f} s of {len(losses)}",
            holds=still <= 3.5,
            note=f"{back:.1f} s after its return, at most, requests go again.",
        )


def _charges(found: Findings) -> Iterator[report.Promise]:
    outages = sum(len(seen.charged) for seen in found.outages)
    short = sum(one.charged for one in found.stops)
    number = len(found.outages) + sum(len(one.trips) for one in found.stops)
    counts = [
        (f"{number} outages", outages + short),
        ("429", found.charges.rate_limited),
        ("an auth stop", found.charges.refused),
        ("a full disk", found.charges.disk),
    ]
    for what, count in counts:
        yield report.Promise(
            row="B4",
            what=f"TIPs charged for {what}",
            bound="0",
            figure=str(count),
            holds=count == 0,
        )


def _waits(found: Findings) -> Iterator[report.Promise]:
    for one in found.waits:
        parts = ", ".join(f"{kind} {share:.2f}" for kind, share in sorted(one.by_kind.items()))
        yield report.Promise(
            row="CPU",
            what=f"the whole fleet at {one.state}, {one.workers} x {one.threads}",
            bound="< 1 % of a core",
            figure=f"{one.fleet:.2f} %",
            holds=one.fleet < 1,
            note=f"{parts} %; {one.switches:.0f} wake-ups per second.",
        )


def _idle(found: Findings) -> Iterator[report.Promise]:
    for one in found.idle:
        yield report.Promise(
            row="Q5",
            what=f"a worker with an empty queue, {one.workers} x {one.threads}",
            bound="<= 0.5 % of a core",
            figure=f"{one.worst_worker:.2f} %",
            holds=one.worst_worker <= 0.5,
        )
    if len(found.idle) > 1:
        queries = waiting.queries_per_worker(found.idle[0], found.idle[-1])
        yield report.Promise(
            row="Q5",
            what="transactions of a worker with an empty queue",
            bound="<= 1 per second",
            figure=f"{queries:.2f} per second",
            holds=queries <= 1,
            note="what a larger fleet has more of, by worker.",
        )


def beside(found: Findings) -> report.Table:
    """The same outage by system."""
    head = (
        "system", "workers", "leaked before the first trial", "probes in vain", "at once",
        "within 1 s", "wasted in all", "first answer after the API is back",
    )  # fmt: skip
    rows: list[Sequence[str]] = []
    for seen in sorted(found.outages, key=lambda one: one.plan.workers):
        vain = [one for one in seen.probes if not one.ok]
        cells = (seen.leaked, seen.in_vain, traffic.peak(vain), traffic.burst(vain), seen.wasted)
        rows.append(_row("noggin_mp", seen.plan.workers, cells, seen.first_answer_s))
    for peer in sorted(found.peers, key=lambda one: one.workers):
        name = peers.KINDS[peer.kind]
        if peer.skipped:
            rows.append((name, str(peer.workers), f"SKIPPED: {peer.skipped}", *[""] * 5))
            continue
        cells = (peer.leaked, peer.probes, peer.peak, peer.burst, peer.wasted)
        rows.append(_row(name, peer.workers, cells, peer.resume_s))
    return report.Table(title="The same outage, by system", head=head, rows=rows)


def _row(name: str, workers: int, cells: Sequence[int], resume_s: float) -> Sequence[str]:
    return (name, str(workers), *map(str, cells), f"{resume_s:.1f} s")
