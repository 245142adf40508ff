"""Values of the API, made fit for columns."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from noggin_mp.domain import values

PERTH = ZoneInfo("Australia/Perth")


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (date(2025, 10, 23), "2025-10-23T00:00:00.000+08:00"),
        (date(2025, 10, 23), "2025-10-22T16:00:00.000Z"),
        (date(2025, 10, 23), "2025-10-22T16:00:00.000+00:00"),
        (date(2025, 10, 22), "2025-10-22T15:59:59.999Z"),
        (date(2025, 10, 23), "2025-10-23"),
        (date(2025, 10, 23), "2025-10-23T00:00:00"),
        (date(2025, 10, 23), " 2025-10-23T23:59:59.999+08:00 "),
        (date(2024, 2, 29), "2024-02-29T00:00:00.000+08:00"),
        (date(2025, 1, 1), "2024-12-31T16:00:00Z"),
        (None, ""),
        (None, "   "),
    ],
)
def test_local_day_is_the_day_in_the_zone(expected: date | None, given: str) -> None:
    assert values.local_day(given, zone=PERTH) == expected


def test_local_day_follows_daylight_saving_when_the_zone_has_it() -> None:
    sydney = ZoneInfo("Australia/Sydney")
    assert values.local_day("2025-12-31T13:00:00Z", zone=sydney) == date(2026, 1, 1)
    assert values.local_day("2025-06-30T13:00:00Z", zone=sydney) == date(2025, 6, 30)


@pytest.mark.parametrize(
    "given",
    [
        "soon", "2025-02-30", "0001-01-01T00:00:00.000+08:00", "9999-12-31T23:59:59Z",
        "2025-13-01", "23/10/2025", 20251023.5, 1761148800000, True, [], {},
    ],
)  # fmt: skip
def test_local_day_refuses_what_is_no_date(given: object) -> None:
    with pytest.raises(values.Unfit):
        values.local_day(given, zone=PERTH)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (12, 12), (12, "12"), (12, " 12 "), (12, "+12"), (-3, "-3"), (12, "12.0"), (12, 12.0),
        (0, "0"), (None, ""), (2147483647, "2147483647"), (-2147483648, -2147483648),
    ],
)  # fmt: skip
def test_integer_takes_numbers_and_text(expected: int | None, given: object) -> None:
    assert values.integer(given) == expected


@pytest.mark.parametrize(
    "given",
    ["twelve", "12.5", 12.5, True, 2**31, "2147483648", -(2**31) - 1, "9" * 400, "१२", [], 1e300],
)  # fmt: skip
def test_integer_refuses_what_the_column_cannot_hold(given: object) -> None:
    with pytest.raises(values.Unfit):
        values.integer(given)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (True, True), (False, False), (True, "true"), (False, "FALSE"), (True, "Yes"), (False, "n"),
        (True, 1), (False, "0"), (None, ""),
    ],
)  # fmt: skip
def test_boolean_takes_words(expected: bool | None, given: object) -> None:
    assert values.boolean(given) is expected


@pytest.mark.parametrize("given", ["maybe", 2, 0.5, [], {}])
def test_boolean_refuses_other_words(given: object) -> None:
    with pytest.raises(values.Unfit):
        values.boolean(given)


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (" kept whole ", " kept whole "), (None, ""), (None, " \t"), ("Yes", True), ("No", False),
        ("12", 12), ("12.5", 12.5), ('["a", "é"]', ["a", "é"]), (None, None),
        ("x" * 5000, "x" * 5000),
    ],
)  # fmt: skip
def test_text_keeps_everything(expected: str | None, given: object) -> None:
    assert values.text(given) == expected


def test_moment_is_utc_when_an_offset_is_given_or_missing() -> None:
    expected = datetime(2025, 10, 22, 16, 0, 0, 123000, tzinfo=UTC)
    for given in (
        "2025-10-22T16:00:00.123Z",
        "2025-10-23T00:00:00.123+08:00",
        "2025-10-22 16:00:00.123",
    ):
        assert values.moment(given) == expected  # fmt: skip


@pytest.mark.parametrize(
    "given", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "x", 5]
)
def test_moment_refuses_what_is_no_time(given: object) -> None:
    with pytest.raises(values.Unfit):
        values.moment(given)


def test_hash_of_knows_64_hex_only() -> None:
    assert values.hash_of("AB" * 32) == "ab" * 32
    for given in ("ab" * 31, "zz" * 32, "ab" * 32 + "\n", 5, None, ["ab" * 32]):
        assert values.hash_of(given) is None


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        ("one & two\nthree", "<p>one &amp; two</p><p>three</p>"),
        ("a\nb", "a<br/>b"),
        ("no tags", "no tags"),
        ("mass < 5 t", "mass < 5 t"),
        ("<![x", "<![x"),
        ("", "<p></p>"),
    ],
)
def test_plain_drops_tags(expected: str, given: str) -> None:
    assert values.plain(given) == expected


def test_shown_cuts_and_quotes() -> None:
    assert values.shown("a\nb") == "'a\\nb'"
    assert len(values.shown("x" * 1000)) == 80
    assert values.shown({"secret": 1}) == "'dict'"
