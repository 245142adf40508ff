"""What an object type knows of itself, and the views generated from it."""

import dataclasses

import pytest

from noggin_mp.domain import columns, object_types, views
from noggin_mp.domain.object_types import Catalogue, Field, Kind
from noggin_mp.settings import object_types as loader

CATALOGUE = loader.load()


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        ("no_of_straps", "noOfStraps"),
        ("trailer_id2", "trailerId2"),
        ("vehicle_s", "vehicleS"),
        ("is_task_ie_meets_na", "isTaskIEMeetsNA"),
        ("plain", "plain"),
        ("field_2nd_check", "2ndCheck"),
        ("field", "$%"),
        ("a_b", "a-b"),
    ],
)
def test_snake_case_gives_an_identifier(expected: str, name: str) -> None:
    assert object_types.snake_case(name) == expected


def test_object_type_lists_what_the_reader_needs() -> None:
    so = CATALOGUE.by_code["SO"]
    assert [one.name for one in so.file_fields] == [f"attachments{n}" for n in range(1, 5)]
    assert "correctiveActions" in {one.name for one in so.hash_fields}
    assert "correctiveActions" not in {one.name for one in so.read_fields}
    found = so.field_named("personInvolved")
    assert found is not None and found.kind is Kind.HASH_LIST and found.looked_up
    assert so.field_named("nothing") is None


def test_catalogue_prefers_the_code_when_code_and_name_differ() -> None:
    assert CATALOGUE.find("TA", "Site Observations") is CATALOGUE.by_code["TA"]


def test_catalogue_of_nothing_finds_nothing() -> None:
    assert Catalogue(types=()).find("LCD", "LCD") is None


def test_record_columns_are_distinct() -> None:
    assert len(set(columns.RECORD)) == len(columns.RECORD)


def test_view_fits_identifiers_and_keeps_names_apart() -> None:
    long = "x" * 80
    fields = (
        Field(name=long + "A", kind=Kind.TEXT),
        Field(name=long + "B", kind=Kind.BOOL),
        Field(name="tip", kind=Kind.TEXT),
        Field(name="createdAt", kind=Kind.TEXT),
        Field(name="it's", kind=Kind.NUMBER),
    )
    sql = views.view(dataclasses.replace(CATALOGUE.by_code["TA"], fields=fields))
    names = [
        line.rsplit(" AS ", 1)[1].rstrip(",") for line in sql.splitlines() if " AS " in line[4:]
    ]
    names = [name for name in names if name]
    assert all(len(name) <= views.MAX_IDENTIFIER_BYTES for name in names)
    assert len(set(names)) == len(names)
    assert {"tip_field", "created_at_field"} <= set(names)
    assert "payload_number(d.payload, 'it''s')" in sql
