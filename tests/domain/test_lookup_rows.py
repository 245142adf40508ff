"""Lists of names: every known form of header, and rows that are refused."""

import pytest

from noggin_mp.domain import errors, lookup_rows, rows
from tests.support.tips import tip


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        (["hash", "name"], [tip(1), "Truck"]),
        (["TIP", "VALUE"], [tip(1), "Truck"]),
        (["tip_hash", "resolved_value"], [tip(1), " Truck "]),
        (["nogginId", "assetName", "assetType"], [tip(1), "Truck", "PRIME MOVER"]),
        (["nogginId", "siteName", "goldstarId", "siteType"], [tip(1), "Truck", "7", "Depot"]),
        (["Name", "Hash"], ["Truck", tip(1).upper()]),
    ],
)
def test_lookup_is_read_from_every_known_form(header: list[str], cells: list[str]) -> None:
    read = lookup_rows.read_header(header, kind="vehicle").read(cells)

    assert read == lookup_rows.Lookup(tip(1), "vehicle", "Truck")


@pytest.mark.parametrize(
    ("cells", "reason"),
    [(["", "Truck"], "blank"), ([tip(1), " "], "blank"), (["a b", "T"], "no hash"), ([], "blank")],
)
def test_lookup_row_is_rejected_with_its_reason(cells: list[str], reason: str) -> None:
    outcome = lookup_rows.read_header(["hash", "name"], kind="vehicle").read(cells)

    assert isinstance(outcome, rows.Reject)
    assert reason in outcome.reason


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (["nogginId", "lcdInspectionId"], "no name column; its columns are nogginId"),
        (["a", "name"], "no hash column"),
        ([tip(1), "Truck"], "no header line"),
    ],
)
def test_lookup_header_is_refused_naming_what_was_found(header: list[str], words: str) -> None:
    with pytest.raises(errors.InputError, match=words):
        lookup_rows.read_header(header, kind="vehicle")
