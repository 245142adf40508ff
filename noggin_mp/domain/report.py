"""A report of a day or a longer time: counted numbers go in, what an operator reads comes out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from noggin_mp.domain.periods import Period
from noggin_mp.domain.stops import Stop

OUTCOMES: Final = ("complete", "partial", "not_found", "retrying", "dead", "skipped")
"""What a settled TIP counts as: `dead` before all else; `partial` and `retrying` wait for another
attempt, the first with its record stored."""

_FINISHED: Final = ("complete", "not_found")
_FAILED: Final = frozenset({"failed", "api_failed", "interrupted", "api_success"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """TIPs of one type that were last settled in part `part` of the period, in one status."""

    part: int
    type: str
    status: str
    dead: bool
    tips: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Attachments that were completed in part `part` of the period."""

    part: int
    files: int
    size_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Requests of one role in part `part` that say something about the API's health."""

    part: int
    role: str
    ok: int
    failed: int
    throttled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The state of things when the report was made, whatever its period."""

    tips: Mapping[str, int]
    queue: Mapping[str, int]
    finished_last_hour: int
    paused: bool
    stopped_scopes: Sequence[str]
    workers: int
    unknown_hashes: Mapping[str, int]
    rejected_rows: int
    attachments: int
    attachment_bytes: int
    database_bytes: int
    free_bytes: int | None = None
    size_bytes: int | None = None

    @property
    def eta_s(self) -> float | None:
        """Seconds until what is due now is done at the pace of the last hour; None: unknown."""
        due = self.queue["ready"] + self.queue["leased"]
        if not due:
            return 0.0
        return due / self.finished_last_hour * 3600 if self.finished_last_hour else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Everything that was counted; the sequences are in the order they are to be shown in."""

    settled: Sequence[Settled]
    files: Sequence[Files]
    requests: Sequence[Requests]
    failures: int
    failed_tips: int
    recovered_tips: int
    error_groups: Sequence[Mapping[str, Any]]
    stops: Sequence[Stop]
    new_unknown: Mapping[str, int]
    imports: Sequence[Mapping[str, Any]]
    acts: Sequence[Mapping[str, Any]]
    now: Now


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One hour or day of the period."""

    label: str
    start: datetime
    finished: int = 0
    retrying: int = 0
    dead: int = 0
    files: int = 0
    size_bytes: int = 0
    requests: int = 0
    failed_requests: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole report. `types` counts TIPs by type and outcome; `parts` are the hours or days."""

    title: str
    period: Period
    zone: str
    host: str
    made_at: datetime
    unfinished: bool  # the period had not ended when the report was made
    totals: Mapping[str, int]
    types: Mapping[str, Mapping[str, int]]
    parts: Sequence[Part]
    files: int
    size_bytes: int
    download_s: float
    requests: Mapping[str, Mapping[str, int]]
    numbers: Numbers
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def finished(self) -> int:
        """TIPs that came to a good end in the period: complete, or known not to exist."""
        return sum(self.totals[name] for name in _FINISHED)

    @property
    def headline(self) -> str:
        """The period and its most telling numbers in a line, for a subject."""
        dead = f", {self.totals['dead']:,} dead letters" if self.totals["dead"] else ""
        return f"{self.title} {self.period.name}: {self.totals['complete']:,} complete{dead}"


def build(
    numbers: Numbers, period: Period, *, title: str, zone: str, host: str, made_at: datetime
) -> Report:
    """The report of `period` from what was counted."""
    types = _types(numbers.settled)
    return Report(
        title=title,
        period=period,
        zone=zone,
        host=host,
        made_at=made_at,
        unfinished=made_at < period.end,
        totals={name: sum(row[name] for row in types.values()) for name in OUTCOMES},
        types=types,
        parts=_parts(numbers, period),
        files=sum(one.files for one in numbers.files),
        size_bytes=sum(one.size_bytes for one in numbers.files),
        download_s=round(sum(one.seconds for one in numbers.files), 1),
        requests=_requests(numbers.requests),
        numbers=numbers,
        notes=tuple(_notes(numbers.now)),
    )


def outcome(status: str, *, dead: bool) -> str:
    """One of `OUTCOMES` for a settled TIP."""
    if dead:
        return "dead"
    return "retrying" if status in _FAILED else status


def _types(settled: Iterable[Settled]) -> dict[str, dict[str, int]]:
    types: dict[str, dict[str, int]] = {}
    for one in settled:
        row = types.setdefault(one.type, dict.fromkeys(OUTCOMES, 0))
        row[outcome(one.status, dead=one.dead)] += one.tips
    return dict(sorted(types.items()))


def _parts(numbers: Numbers, period: Period) -> list[Part]:
    counted: list[dict[str, int]] = [{} for _ in period.labels]

    def add(part: int, key: str, number: int) -> None:
        counted[part][key] = counted[part].get(key, 0) + number

    for one in numbers.settled:
        what = outcome(one.status, dead=one.dead)
        if what in _FINISHED:
            add(one.part, "finished", one.tips)
        elif what != "skipped":
            add(one.part, "dead" if what == "dead" else "retrying", one.tips)
    for files in numbers.files:
        add(files.part, "files", files.files)
        add(files.part, "size_bytes", files.size_bytes)
    for asked in numbers.requests:
        failed = asked.failed + asked.throttled
        add(asked.part, "requests", asked.ok + failed)
        add(asked.part, "failed_requests", failed)
    return [
        Part(label=label, start=start, **values)
        for label, start, values in zip(period.labels, period.edges[:-1], counted, strict=True)
    ]


def _requests(counted: Iterable[Requests]) -> dict[str, dict[str, int]]:
    roles: dict[str, dict[str, int]] = {}
    for one in counted:
        row = roles.setdefault(one.role, {"ok": 0, "failed": 0, "throttled": 0})
        for name in row:
            row[name] += getattr(one, name)
    return dict(sorted(roles.items()))


def _notes(now: Now) -> Iterable[str]:
    """What somebody should look at, in order of urgency."""
    for scope in now.stopped_scopes:
        yield f"{scope}: see noggin-mp breaker show"
    if now.paused:
        yield "the fleet is paused: noggin-mp fleet resume ends it"
    if not now.workers and (now.queue["ready"] or now.queue["leased"]):
        yield "TIPs are due, but no worker is heard of: see noggin-mp status"
    if now.tips["permanently_failed"]:
        yield f"{now.tips['permanently_failed']:,} dead letters: see noggin-mp dead list"
    if now.rejected_rows:
        yield f"{now.rejected_rows:,} rejected input rows: see noggin-mp dead list --rows"
    if now.free_bytes is not None and now.size_bytes and now.free_bytes < now.size_bytes / 10:
        yield f"the output disk is {100 - now.free_bytes / now.size_bytes * 100:.0f} % full"
