"""`Retry-After` as servers write it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noggin_mp.gateway import retry_after

NOW = datetime(2025, 11, 21, 12, 0, 0, tzinfo=UTC)
DATE = "Fri, 21 Nov 2025 10:00:00 GMT"


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        (None, None),
        (None, ""),
        (0.0, "0"),
        (7.0, "7"),
        (7.0, "  7 "),
        (2.0, "1.2"),
        (1.0, "0.001"),
        (3.0, "3."),
        (1e30, "1" + "0" * 30),
        (None, "-5"),
        (None, "+5"),
        (None, "5 s"),
        (None, "5, 6"),
        (None, "nan"),
        (None, "inf"),
        (None, "1e3"),
        (None, "٣"),  # a digit, but not HTTP's
        (None, "soon"),
        (None, "9" * 200),
        (30.0, "Fri, 21 Nov 2025 12:00:30 GMT"),
        (30.0, "Friday, 21-Nov-25 12:00:30 GMT"),
        (30.0, "Fri Nov 21 12:00:30 2025"),
        (0.0, "Fri, 21 Nov 2025 12:00:00 GMT"),
        (None, "Fri, 21 Nov 2025 11:59:59 GMT"),
        (None, "Fri, 99 Nov 2025 12:00:30 GMT"),
    ],
)
def test_parse_reads_the_value_when_written_this_way(
    expected: float | None, value: str | None
) -> None:
    assert expected == retry_after.parse(value, date=None, now=NOW)


def test_parse_counts_from_the_servers_clock_when_the_answer_is_dated() -> None:
    value = "Fri, 21 Nov 2025 10:00:45 GMT"
    assert retry_after.parse(value, date=DATE, now=NOW) == 45.0
    assert retry_after.parse(value, date="nonsense", now=NOW) is None  # two hours ago for us


@given(value=st.text(max_size=60), date=st.none() | st.text(max_size=40))
def test_parse_never_fails_when_the_header_is_anything(value: str, date: str | None) -> None:
    found = retry_after.parse(value, date=date, now=NOW)
    assert found is None or (found >= 0 and found == int(found))
