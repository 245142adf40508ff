"""A report as plain text: what an e-mail, a terminal and Slack show."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from noggin_mp.cli import tables, units
from noggin_mp.domain.report import OUTCOMES, Part, Report

_BAR: Final = 30

STOPS: Final = {
    "open": "breaker open",
    "forced_open": "opened by hand",
    "paused": "paused (429, Retry-After)",
    "auth_stop": "token refused",
    "fleet_pause": "fleet paused by hand",
}
"""Kinds of stop in words."""


def text(report: Report) -> str:
    """The whole report."""
    return "\n\n".join(block for block in _blocks(report) if block)


def brief(report: Report) -> str:
    """The report in a few lines: what fits a chat, below its headline."""
    lines = [line.strip() for line in _totals(report)[1:]] + _now(report)
    return "\n".join([*(f"! {note}" for note in report.notes), *lines])


def heading(report: Report) -> str:
    """Title, period, zone, and whether the period is over."""
    hours = f"{report.period.hours:g} h"
    line = f"{report.title} {report.period.name} ({report.zone}, {hours})"
    if report.unfinished:
        line += f", so far: until {report.made_at:%Y-%m-%d %H:%M} UTC"
    return line


def _blocks(report: Report) -> Iterator[str]:
    numbers = report.numbers
    head = heading(report)
    yield f"{head}\n{'=' * len(head)}"
    if report.notes:
        yield "\n".join(["Needs attention", *(f"  {note}" for note in report.notes)])
    yield "\n".join(_totals(report))
    yield _block("By type", tables.table(list(types(report)), TYPES, empty="nothing was settled"))
    yield _block(f"By {report.period.unit}", _parts(report))
    yield _block("Requests", tables.table(list(requests(report)), REQUESTS, empty="none"))
    yield _block("Stops", tables.table(list(stops(report)), STOP_COLUMNS, empty="none"))
    yield _block(
        f"Errors: {numbers.failures:,} failures of {numbers.failed_tips:,} TIPs,"
        f" {numbers.recovered_tips:,} of these came through later",
        tables.table(numbers.error_groups, ERRORS, empty="none"),
    )
    yield _block("Imports", tables.table(numbers.imports, IMPORTS, empty="no file was loaded"))
    yield _block("Changes by command", tables.table(numbers.acts, ACTS, empty="none"))
    yield "\n".join(["Now", *(f"  {line}" for line in _now(report))])


TYPES: Final = {"type": "type"} | {name: name.replace("_", " ") for name in (*OUTCOMES, "total")}
REQUESTS: Final = {
    "role": "role", "total": "requests", "ok": "ok", "failed": "failed",
    "throttled": "throttled", "share": "not ok",
}  # fmt: skip
STOP_COLUMNS: Final = {"scope": "scope", "what": "what", "times": "times", "lasted": "for"}
ERRORS: Final = {
    "error_type": "kind", "reason": "reason", "failures": "failures", "tips": "TIPs",
    "unresolved": "unresolved", "last_at": "last (UTC)", "latest": "latest message",
}  # fmt: skip
IMPORTS: Final = {
    "filename": "file", "kind": "kind", "status": "status", "rows_read": "rows",
    "rows_imported": "imported", "rows_known": "known", "rows_duplicate": "duplicate",
    "rows_rejected": "rejected",
}  # fmt: skip
ACTS: Final = {
    "ts": "at (UTC)", "who": "who", "action": "what", "target": "to what",
    "affected": "changed", "reason": "why",
}  # fmt: skip


def types(report: Report) -> Iterator[Mapping[str, Any]]:
    """One row per type, and one for all when there are several."""
    for name, row in report.types.items():
        yield {"type": name, **row, "total": sum(row.values())}
    if len(report.types) > 1:
        yield {"type": "all", **report.totals, "total": sum(report.totals.values())}


def requests(report: Report) -> Iterator[Mapping[str, Any]]:
    """One row per role."""
    for role, row in report.requests.items():
        total = sum(row.values())
        name = (
            "api or media" if role == "any" else role
        )  # a 429 stops the host, whatever it was for
        yield {"role": name, "total": total, **row, "share": units.share(total - row["ok"], total)}


def stops(report: Report) -> Iterator[Mapping[str, Any]]:
    """One row per scope and kind of stop."""
    for one in report.numbers.stops:
        yield {
            "scope": one.scope,
            "what": STOPS[one.kind],
            "times": one.times,
            "lasted": units.span(one.seconds),
        }


def _totals(report: Report) -> list[str]:
    totals = report.totals
    elapsed = min(report.made_at, report.period.end) - report.period.start
    rate = report.finished / max(elapsed.total_seconds() / 3600, 1 / 60)
    files = f"{report.files:,} ({units.size(report.size_bytes)}"
    if report.files:
        files += (
            f", {units.size(report.size_bytes // report.files)} and"
            f" {report.download_s / report.files:.2f} s each on average"
        )
    return [
        "Records",
        f"  finished     {report.finished:,}: {totals['complete']:,} complete,"
        f" {totals['not_found']:,} not found; {rate:,.0f}/h on average",
        f"  unfinished   {totals['partial']:,} partial, {totals['retrying']:,} failed and tried"
        f" again, {totals['dead']:,} permanently failed, {totals['skipped']:,} skipped",
        f"  attachments  {files})",
    ]


def _parts(report: Report) -> str:
    """A line with a bar for each part that something happened in."""
    highest = max((part.finished for part in report.parts), default=0)
    rows = [
        {
            "label": part.label, "finished": part.finished, "retrying": part.retrying,
            "dead": part.dead, "files": part.files, "bytes": units.size(part.size_bytes),
            "requests": part.requests, "failed": part.failed_requests,
            "bar": "#" * round(_BAR * part.finished / highest) if highest else "",
        }
        for part in report.parts
        if _busy(part)
    ]  # fmt: skip
    columns = {
        "label": report.period.unit, "finished": "finished", "retrying": "to retry",
        "dead": "dead", "files": "files", "bytes": "bytes", "requests": "requests",
        "failed": "not ok", "bar": "",
    }  # fmt: skip
    return tables.table(rows, columns, empty="nothing happened")


def _busy(part: Part) -> bool:
    return any((part.finished, part.retrying, part.dead, part.files, part.requests))


def _now(report: Report) -> list[str]:
    return [f"{name:<13}{value}" for name, value in now(report).items()]


def now(report: Report) -> dict[str, str]:
    """The state of things when the report was made, a line for each thing."""
    found = report.numbers.now
    known = sum(found.tips.values()) - found.tips["permanently_failed"]
    queue = ", ".join(f"{number:,} {name}" for name, number in found.queue.items())
    unknown = ", ".join(f"{number:,} {kind}" for kind, number in found.unknown_hashes.items())
    new = sum(report.numbers.new_unknown.values())
    return {
        "queue": f"{queue}; {eta(report)}",
        "records": f"{known:,} known, {found.tips['complete']:,} complete,"
        f" {found.tips['permanently_failed']:,} dead letters",
        "workers": f"{found.workers} heard of" + ("; the fleet is paused" if found.paused else ""),
        "names": f"unknown: {unknown or 'none'}; {new:,} first seen in the period",
        "storage": f"{found.attachments:,} files, {units.size(found.attachment_bytes)}; database"
        f" {units.size(found.database_bytes)}{disk(report)}",
    }


def disk(report: Report) -> str:
    """What the output disk has left, or nothing when it could not be asked."""
    free, whole = report.numbers.now.free_bytes, report.numbers.now.size_bytes
    if free is None or not whole:
        return ""
    return (
        f"; output disk of {report.host}: {units.size(free)} free of {units.size(whole)}"
        f" ({units.share(whole - free, whole)} used)"
    )


def eta(report: Report) -> str:
    """When the queue will be empty, in words."""
    found = report.numbers.now
    if not found.queue["ready"] + found.queue["leased"]:
        return "nothing is due"
    if found.eta_s is None:
        return "no TIP was finished in the last hour, so no forecast"
    return f"empty in about {units.span(found.eta_s)} at the pace of the last hour"


def _block(title: str, body: str) -> str:
    return "\n".join([title, *(f"  {line}" for line in body.splitlines())])
