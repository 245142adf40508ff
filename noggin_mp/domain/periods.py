"""Days as people mean them: from local midnight to local midnight, 23 to 25 hours long.

Everything is computed from instants in UTC; the zone only says where a day begins and how an hour
is called.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

HOURLY_UP_TO: Final = timedelta(hours=72)
"""A longer period is told by days."""
MAX_DAYS: Final = 3660


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `start` to before `end` (aware, UTC), cut at `edges`, which begin and end with these.

    `labels` name the parts between the edges in local time: `00:00`, or `2025-10-23` for days. An
    hour that occurs twice carries its offset: `02:00+11:00`.
    """

    first: date
    last: date
    start: datetime
    end: datetime
    edges: tuple[datetime, ...]
    labels: tuple[str, ...]
    unit: str

    @property
    def hours(self) -> float:
        """How many hours the period has."""
        return (self.end - self.start) / timedelta(hours=1)

    @property
    def name(self) -> str:
        """`2025-10-23`, or `2025-10-01 to 2025-10-31`."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


def midnight(day: date, zone: tzinfo) -> datetime:
    """The instant at which the local day begins, in UTC.

    Where midnight itself is skipped, the day begins with the first instant after the gap; where it
    occurs twice, with the first of the two.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def period(first: date, last: date, zone: tzinfo) -> Period:
    """The days from `first` to `last`, both included, in parts of an hour or of a day.

    Raises: ValueError when `last` is before `first`, or the period is longer than ten years.
    """
    if last < first:
        raise ValueError(f"{last} is before {first}")
    if (last - first).days >= MAX_DAYS:
        raise ValueError(f"{first} to {last} is longer than ten years")
    start, end = midnight(first, zone), midnight(last + timedelta(days=1), zone)
    hourly = end - start <= HOURLY_UP_TO
    edges = _hours(start, end) if hourly else _days(first, last, zone)
    return Period(
        first=first,
        last=last,
        start=start,
        end=end,
        edges=tuple(edges),
        labels=tuple(_labels(edges[:-1], zone, hourly=hourly, dated=first != last)),
        unit="hour" if hourly else "day",
    )


def _hours(start: datetime, end: datetime) -> list[datetime]:
    """Every hour from the start; the last part is shorter when clocks change by half an hour."""
    edges = [start]
    while edges[-1] < end:
        edges.append(min(edges[-1] + timedelta(hours=1), end))
    return edges


def _days(first: date, last: date, zone: tzinfo) -> list[datetime]:
    return [
        midnight(first + timedelta(days=number), zone) for number in range((last - first).days + 2)
    ]


def _labels(starts: Sequence[datetime], zone: tzinfo, *, hourly: bool, dated: bool) -> list[str]:
    local = [moment.astimezone(zone) for moment in starts]
    if not hourly:
        return [f"{moment:%Y-%m-%d}" for moment in local]
    form = "%m-%d %H:%M" if dated else "%H:%M"
    plain = [moment.strftime(form) for moment in local]
    return [
        f"{text}{_offset(moment)}" if plain.count(text) > 1 else text
        for text, moment in zip(plain, local, strict=True)
    ]


def _offset(moment: datetime) -> str:
    return moment.isoformat()[-6:]
