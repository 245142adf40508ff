"""Days in local time: instants, length when clocks change, what their hours are called."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from noggin_mp.domain import periods

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("zone", "day", "hours", "start", "why"),
    [
        ("Australia/Perth", "2025-10-23", 24, "2025-10-22T16:00:00+00:00", "no change of clocks"),
        ("Australia/Sydney", "2025-10-05", 23, "2025-10-04T14:00:00+00:00", "clocks go forward"),
        ("Australia/Sydney", "2025-04-06", 25, "2025-04-05T13:00:00+00:00", "clocks go back"),
        ("Australia/Lord_Howe", "2025-10-05", 23.5, "2025-10-04T13:30:00+00:00", "half an hour"),
        ("Africa/Cairo", "2025-04-25", 23, "2025-04-24T22:00:00+00:00", "midnight is skipped"),
        ("America/Havana", "2025-11-02", 25, "2025-11-02T04:00:00+00:00", "midnight comes twice"),
        ("Pacific/Apia", "2011-12-31", 24, "2011-12-30T10:00:00+00:00", "after the lost day"),
        ("UTC", "2024-02-29", 24, "2024-02-29T00:00:00+00:00", "a leap day"),
    ],
)
def test_period_has_the_hours_of_the_day(
    zone: str, day: str, hours: float, start: str, why: str
) -> None:
    one = date.fromisoformat(day)
    found = periods.period(one, one, ZoneInfo(zone))

    assert (found.hours, found.start.isoformat()) == (hours, start), why
    assert found.edges[0] == found.start
    assert found.edges[-1] == found.end == periods.midnight(one + timedelta(days=1), ZoneInfo(zone))
    steps = [after - before for before, after in zip(found.edges, found.edges[1:], strict=False)]
    assert set(steps[:-1]) == {HOUR}
    assert timedelta(0) < steps[-1] <= HOUR
    assert len(found.labels) == len(found.edges) - 1 == len(set(found.labels))


def test_the_hour_that_comes_twice_carries_its_offset() -> None:
    day = date(2025, 4, 6)
    labels = periods.period(day, day, ZoneInfo("Australia/Sydney")).labels
    assert labels[1:5] == ("01:00", "02:00+11:00", "02:00+10:00", "03:00")


def test_the_hour_that_is_skipped_is_not_there() -> None:
    day = date(2025, 10, 5)
    assert periods.period(day, day, ZoneInfo("Australia/Sydney")).labels[:3] == (
        "00:00", "01:00", "03:00",
    )  # fmt: skip


def test_several_days_are_cut_by_hour_up_to_three_and_by_day_beyond() -> None:
    perth = ZoneInfo("Australia/Perth")
    short = periods.period(date(2025, 10, 1), date(2025, 10, 3), perth)
    long = periods.period(date(2025, 10, 1), date(2025, 10, 4), perth)

    assert (short.unit, len(short.labels), short.labels[25]) == ("hour", 72, "10-02 01:00")
    assert (long.unit, long.labels) == (
        "day", ("2025-10-01", "2025-10-02", "2025-10-03", "2025-10-04"),
    )  # fmt: skip
    assert long.edges[1] == datetime(2025, 10, 1, 16, tzinfo=UTC)
    assert (short.name, long.name) == ("2025-10-01 to 2025-10-03", "2025-10-01 to 2025-10-04")


def test_days_keep_their_length_in_a_month_with_a_change() -> None:
    sydney = ZoneInfo("Australia/Sydney")
    found = periods.period(date(2025, 10, 1), date(2025, 10, 31), sydney)
    lengths = [
        (after - before) / HOUR for before, after in zip(found.edges, found.edges[1:], strict=False)
    ]
    assert lengths == [24.0] * 4 + [23.0] + [24.0] * 26


def test_period_refuses_what_is_none() -> None:
    with pytest.raises(ValueError, match="is before"):
        periods.period(date(2025, 10, 2), date(2025, 10, 1), UTC)
    with pytest.raises(ValueError, match="ten years"):
        periods.period(date(2000, 1, 1), date(2025, 10, 1), UTC)
