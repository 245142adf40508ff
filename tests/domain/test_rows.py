"""CSV headers and rows: which are TIPs of which type, which are refused, and why."""

import zoneinfo
from datetime import date

import pytest

from noggin_mp.domain import errors, rows
from noggin_mp.settings import object_types
from tests.support.tips import tip

PERTH = zoneinfo.ZoneInfo("Australia/Perth")
CATALOGUE = object_types.load()
MIXED = ["nogginId", "lcdInspectionId", "couplingId", "date", "inspectedBy", "vehicle", "team"]


def header(cells: list[str], *, asked: str = "", sample: str = "") -> rows.Header:
    return rows.read_header(
        cells,
        catalogue=CATALOGUE,
        zone=PERTH,
        asked=CATALOGUE.find(asked) if asked else None,
        sample=sample,
    )


@pytest.mark.parametrize("first", ["nogginId", "tip", "TIP", "", "Whatever", " Record "])
@pytest.mark.parametrize("second", ["lcdInspectionId", "LCDINSPECTIONID", " lcdinspectionid "])
def test_header_takes_column_1_for_the_tip_whatever_it_is_called(first: str, second: str) -> None:
    row = header([first, second], sample=tip(1)).read([tip(1), "LCD - 000001"])

    assert row == rows.Row(tip(1), "LCD", "LCD - 000001", None, None, None, None)


@pytest.mark.parametrize(
    ("cells", "sample", "found"),
    [
        (["name", "age"], "bob", "name, age"),
        (["lcdInspectionId", "date"], "LCD - 1", "'lcdInspectionId'"),
        (["date", "lcdInspectionId"], "2025-01-01", "'date'"),
        (["id", "lcdInspectionId", "nogginId"], "7", "move column 3 (nogginId) there"),
        (["Whatever", "lcdInspectionId"], "not a tip", "'Whatever'"),
        (["date", "inspectedBy"], "", "date, inspectedBy"),
    ],
)
def test_header_is_refused_when_column_1_is_no_tip(
    cells: list[str], sample: str, found: str
) -> None:
    with pytest.raises(errors.InputError) as caught:
        header(cells, sample=sample)

    assert "has no TIP column" in str(caught.value)
    assert found in str(caught.value)


def test_header_is_refused_when_nothing_tells_the_type() -> None:
    with pytest.raises(errors.InputError, match=r"columns \(nogginId\) is an id column.*--type"):
        header(["nogginId"], sample=tip(1))


def test_header_is_refused_when_it_is_a_tip_already() -> None:
    with pytest.raises(errors.InputError, match="no header line"):
        header([tip(1), "LCD - 000001"], sample=tip(2))


@pytest.mark.parametrize("name", ["nogginId", "", "my ids"])
def test_tip_only_file_is_read_when_a_type_is_asked_for(name: str) -> None:
    row = header([name], asked="so", sample="short-1").read(["short-1"])

    assert isinstance(row, rows.Row)
    assert (row.tip, row.object_code) == ("short-1", "SO")


def test_row_keeps_the_previews_of_its_type() -> None:
    one = header(MIXED).read([tip(1), "", " C - 000009 ", "23-Oct-25", "", "V1", "Blue"])

    # A coupling check has its own columns for person and vehicle: inspectedBy and vehicle are not.
    assert one == rows.Row(tip(1), "CCC", "C - 000009", date(2025, 10, 23), None, None, "Blue")


def test_row_may_be_shorter_than_the_header() -> None:
    assert isinstance(header(MIXED).read([tip(1), "LCD - 000001"]), rows.Row)


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["", "LCD - 1"], "blank"),
        (["two words", "LCD - 1"], "no TIP"),
        (["a/b", "LCD - 1"], "no TIP"),
        (["x" * 65, "LCD - 1"], "no TIP"),
        ([tip(1)], "none of the id columns lcdInspectionId, couplingId is filled"),
        ([tip(1), "LCD - 1", "C - 1"], "LCD and CCC are both filled"),
        ([tip(1), "LCD - 1", "", "", "", "", "", "more"], "8 cells under a header of 7"),
        ([tip(1), "LCD\x00 - 1"], "NUL"),
    ],
)
def test_row_is_rejected_with_its_reason(cells: list[str], reason: str) -> None:
    outcome = header(MIXED).read(cells)

    assert isinstance(outcome, rows.Reject)
    assert reason in outcome.reason


def test_row_is_rejected_when_its_type_is_not_the_one_asked_for() -> None:
    asked = header(MIXED, asked="LCD")

    assert isinstance(asked.read([tip(1), "LCD - 1"]), rows.Row)
    assert asked.read([tip(1), "", "C - 1"]) == rows.Reject(
        reason="the row is of type CCC, but LCD was asked for"
    )


@pytest.mark.parametrize(
    "text",
    [
        "2025-10-23",
        "2025-10-23T00:00:00.000+08:00",
        "2025-10-22T16:00:00.000Z",
        "2025-10-23 07:15:00",
        "20251023",
        "2025/10/23",
        "23-Oct-25",
        "23 Oct 2025",
        "23 October 2025",
        "23-OCT-2025 07:15",
        "23/10/2025",
        "23/10/25",
        "23.10.2025",
        "23-10-2025 7:15 PM",
        "  23   Oct  2025 ",
    ],
)
def test_day_of_reads_the_day_first_and_in_the_local_zone(text: str) -> None:
    assert rows.day_of(text, PERTH) == date(2025, 10, 23)


@pytest.mark.parametrize("text", ["soon", "31/02/2025", "23 Foo 2025", "0001-01-01", "13/13/2025"])
def test_day_of_is_none_when_no_day_can_be_read(text: str) -> None:
    assert rows.day_of(text, PERTH) is None
