"""A body becomes a record, or is refused."""

import json
import typing
from datetime import UTC, date, datetime

import pytest

from noggin_mp.domain import columns, record
from noggin_mp.domain.object_types import Catalogue, ObjectType
from noggin_mp.domain.record import BadRecord, ParsedRecord
from noggin_mp.settings import object_types
from tests.support import records
from tests.support.records import PERTH, TIP, hex64, media

CATALOGUE = object_types.load()
LCD = CATALOGUE.by_code["LCD"]
SO = CATALOGUE.by_code["SO"]


def parse(type_: ObjectType = LCD, **changes: object) -> ParsedRecord:
    return record.parse(records.body(type_, **changes), type_=type_, tip=TIP, zone=PERTH)


@pytest.mark.parametrize("code", sorted(CATALOGUE.by_code))
def test_parse_fills_id_date_people_and_meta_of_every_type(code: str) -> None:
    type_ = CATALOGUE.by_code[code]
    parsed = parse(type_)
    assert parsed.notes == (
        () if type_.compliance is None
        else (f"{type_.compliance.compliant} and {type_.compliance.not_compliant} are both ticked",)
    )  # fmt: skip
    reference = f"{type_.id_prefix}{'7' * type_.id_digits}"
    assert parsed.reference == reference
    assert type_.id_column is not None
    assert parsed.columns[type_.id_column] == parsed.columns["noggin_reference"] == reference
    assert parsed.inspection_date == parsed.columns["inspection_date"] == date(2025, 10, 23)
    assert parsed.columns["inspected_by_hash" if code == "SO" else "inspected_by"]
    assert parsed.columns["api_meta_tip"] == TIP
    assert parsed.columns["api_meta_parent"] == [hex64("sid")]
    assert parsed.columns["api_meta_errors"] == []
    created = datetime(2025, 10, 22, 23, 59, 58, 123000, tzinfo=UTC)
    assert parsed.columns["api_meta_created_date"] == created
    assert tuple(parsed.columns) == columns.RECORD


def test_parse_fills_the_columns_of_a_load_check() -> None:
    parsed = parse(noOfStraps=" 12 ", straps="yes", mass=12.5, chains=None)
    expected = {
        "inspected_by": "text of inspectedBy",
        "vehicle": None,
        "vehicle_hash": hex64("vehicle"),
        "vehicle_id": "text of vehicleId",
        "trailer3_hash": hex64("trailer3"),
        "trailer3_id": "text of trailerId3",
        "department_hash": hex64("whichDepartmentDoesTheLoadBelongTo"),
        "job_number": "text of jobNumber",
        "driver_loader_name": "text of driverLoaderName",
        "straps": True,
        "no_of_straps": 12,
        "chains": None,
        "mass": "12.5",
    }
    assert {name: parsed.columns[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("code", "column", "value"),
    [
        ("CCC", "vehicle_hash", hex64("goldstarAsset")),
        ("CCC", "vehicle_id", "text of vehicleId"),
        ("CCC", "inspected_by", "text of personCompleting"),
        ("FPI", "vehicle_hash", hex64("goldstarAsset")),
        ("FPI", "vehicle_id", "text of assetId"),
        ("FPI", "inspected_by", "text of personsCompleting"),
        ("TA", "vehicle_id", "text of rego"),
        ("SO", "department_hash", hex64("department")),
        ("SO", "inspected_by_hash", hex64("inspectedBy")),
    ],
)
def test_parse_files_each_types_own_names_under_the_common_columns(
    code: str, column: str, value: str
) -> None:
    assert parse(CATALOGUE.by_code[code]).columns[column] == value


def test_parse_uses_the_local_day_when_the_date_is_written_in_utc() -> None:
    assert parse(date="2025-10-22T16:00:00.000Z").inspection_date == date(2025, 10, 23)


@pytest.mark.parametrize(
    ("noted", "given"),
    [
        (0, None), (0, ""), (1, "yesterday"), (1, "0001-01-01T00:00:00.000+08:00"), (1, 20251023),
        (1, ["2025-10-23"]),
    ],
)  # fmt: skip
def test_parse_leaves_the_date_open_when_it_is_missing_or_malformed(
    noted: int, given: object
) -> None:
    parsed = parse(date=given, **{LCD.compliance.not_compliant: False})  # type: ignore[union-attr]
    assert parsed.inspection_date is None
    assert len(parsed.notes) == noted


@pytest.mark.parametrize("given", ["many", 2**31, "99999999999", 1.5, True, {"n": 1}])
def test_parse_notes_a_number_that_does_not_fit_rather_than_poison_the_row(given: object) -> None:
    parsed = parse(noOfStraps=given)
    assert parsed.columns["no_of_straps"] is None
    assert any(note.startswith("noOfStraps: ") for note in parsed.notes)
    assert parsed.payload["noOfStraps"] == given


@pytest.mark.parametrize(
    ("expected", "yes", "no"),
    [
        ("Compliant", True, False), ("Compliant", True, None), ("Not compliant", False, True),
        ("Not compliant", None, "true"), (None, False, False), (None, None, None),
        (None, True, True),
    ],
)  # fmt: skip
def test_parse_makes_load_compliance_of_the_two_booleans(
    expected: str | None, yes: object, no: object
) -> None:
    assert LCD.compliance is not None
    changes = {LCD.compliance.compliant: yes, LCD.compliance.not_compliant: no}
    parsed = parse(LCD, **changes)
    assert parsed.columns["load_compliance"] == expected
    assert bool(parsed.notes) == (yes is True and no is True)


def test_parse_clears_every_column_when_the_body_is_empty() -> None:
    parsed = record.parse({}, type_=LCD, tip=TIP, zone=PERTH)
    assert set(parsed.columns.values()) == {None}
    assert (parsed.reference, parsed.hashes, parsed.total_attachments) == (None, (), 0)
    assert parsed.notes == ("the body has no $meta, so nothing proves which object it is",)


@pytest.mark.parametrize("meta", [None, {}, [], "x", {"tip": None}])
def test_parse_notes_a_missing_meta_tip(meta: object) -> None:
    body = records.body(LCD)
    body["$meta"] = meta
    assert "nothing proves" in record.parse(body, type_=LCD, tip=TIP, zone=PERTH).notes[0]


@pytest.mark.parametrize(
    ("reason", "body"),
    [
        ("not_object", []),
        ("not_object", "<html>"),
        ("not_object", None),
        ("wrong_tip", {"$meta": {"tip": hex64("another")}}),
        ("wrong_tip", {"$meta": {"tip": TIP.upper()}}),
        ("wrong_tip", {"$meta": {"tip": 5}}),
        ("nul", {"inspectedBy": "a\0b"}),
        ("nul", {"a\0b": 1}),
        ("nul", {"deep": [{"x": ["ok", "\0"]}]}),
        ("nul", {"deep": {"k\0": 1}}),
        ("surrogate", {"inspectedBy": "half \ud83d"}),
        ("surrogate", {"\udc00": 1}),
        ("number", {"mass": float("nan")}),
        ("number", {"mass": float("inf")}),
        ("too_deep", {"deep": json.loads("[" * 100 + "]" * 100)}),
        ("too_deep", {"deep": json.loads('{"a":' * 900 + "1" + "}" * 900)}),
    ],
)
def test_parse_refuses_what_is_not_the_record(reason: str, body: object) -> None:
    with pytest.raises(BadRecord) as caught:
        record.parse(body, type_=LCD, tip=TIP, zone=PERTH)
    assert caught.value.reason == reason
    assert "\0" not in caught.value.detail
    assert caught.value.detail.isprintable()


@pytest.mark.parametrize("text", ["\\u0000", "\\ud83d", "😀 whole", "Zoë", "\x01\x7f"])
def test_parse_takes_text_that_only_looks_like_trouble(text: str) -> None:
    assert parse(inspectedBy=text, **{"many": [[]] * 200}).columns["inspected_by"] == text


def test_parse_keeps_plain_text_in_a_hash_field() -> None:
    parsed = parse(vehicle="Truck 7 (hired)", inspectedBy=hex64("somebody"))
    assert parsed.columns["vehicle"] == "Truck 7 (hired)"
    assert parsed.columns["vehicle_hash"] is None
    assert parsed.columns["inspected_by"] == hex64("somebody")
    assert "vehicle" not in {one.field for one in parsed.hashes}


def test_parse_lower_cases_a_hash() -> None:
    assert parse(vehicle=hex64("v").upper()).columns["vehicle_hash"] == hex64("v")


def test_parse_gathers_the_hashes_of_lists_but_not_of_actions() -> None:
    hashes = parse(SO, personInvolved=[hex64("p"), "plain", 5, hex64("p")]).hashes
    people = [one for one in hashes if one.field == "personInvolved"]
    assert [(one.entity_type, one.value, one.column) for one in people] == [
        ("person", hex64("p"), None)
    ] * 2
    assert {one.entity_type for one in hashes} == {"person", "department", "vehicle"}
    assert not any(one.field == "correctiveActions" for one in hashes)


@pytest.mark.parametrize("given", ["", "  ", None])
def test_parse_has_no_reference_when_the_id_is_blank(given: str | None) -> None:
    assert parse(lcdInspectionId=given).reference is None


def test_parse_refuses_an_id_that_no_index_could_hold() -> None:
    parsed = parse(lcdInspectionId="x" * 5000)
    assert parsed.reference is None
    assert any("too long" in note for note in parsed.notes)
    assert parse(lcdInspectionId=" LCD - 1 ").reference == "LCD - 1"


def test_resolve_puts_names_beside_their_hashes() -> None:
    parsed = parse()
    resolved = record.resolve(
        parsed, {value: f"name of {value[:4]}" for value in parsed.hash_values}
    )
    assert resolved.columns["vehicle"] == f"name of {hex64('vehicle')[:4]}"
    assert resolved.columns["vehicle_hash"] == hex64("vehicle")
    assert resolved.columns["has_unknown_hashes"] is False
    assert resolved.unknown == ()
    assert resolved.columns["object_code"] == "LCD"
    assert resolved.columns["object_type"] == "Load Compliance Check (Driver/Loader)"
    assert resolved.columns["payload"] is parsed.payload
    assert parsed.columns["vehicle"] is None


def test_resolve_reports_each_unknown_hash_once() -> None:
    same = hex64("same")
    parsed = parse(trailer=same, trailer2=same, trailer3=None, vehicle=None, team="Team A",
                   customerClient=None, whichDepartmentDoesTheLoadBelongTo=None)  # fmt: skip
    resolved = record.resolve(parsed, {same: ""})
    assert resolved.unknown == (("trailer", same),)
    assert resolved.columns["has_unknown_hashes"] is True
    assert resolved.columns["trailer"] is None
    assert resolved.columns["trailer_hash"] == same
    assert resolved.columns["team"] == "Team A"


def test_attachments_are_numbered_over_all_fields_and_once_each() -> None:
    parsed = parse(
        attachments=[media("a"), media("b"), media("a")],
        loaderPhotoAttachment=[f"https://elsewhere.example/media?tip={hex64('b')}", media("c")],
    )
    assert [(one.tip, one.field, one.stub, one.sequence) for one in parsed.attachments] == [
        (hex64("a"), "attachments", "photo", 1),
        (hex64("b"), "attachments", "photo", 2),
        (hex64("c"), "loaderPhotoAttachment", "loader_photo", 3),
    ]
    assert parsed.attachments[0].url == media("a")
    assert parsed.total_attachments == 3


@pytest.mark.parametrize(
    "item",
    ["", "/media/file?ns=x", "/media/file", 5, {"tip": hex64("a")}, [media("a")], True,
     "/media/file?tip=", "/media/file?tip=a%2Fb", "/media/file?tip=a%20b", f"/m?tip={'a' * 65}",
     f"/media/file?x={hex64('a')}\n&tip={hex64('a')}", f"/media/file#?tip={hex64('a')}"],
)  # fmt: skip
def test_attachments_keep_a_malformed_item_as_bad(item: object) -> None:
    parsed = parse(attachments=[media("a"), item, media("b"), item], loaderPhotoAttachment=None)
    assert [one.sequence for one in parsed.attachments] == [1, 3]
    (bad,) = parsed.bad_attachments
    assert (bad.field, bad.sequence) == ("attachments", 2)
    assert bad.tip.startswith("malformed-")
    assert bad.reason
    assert parsed.total_attachments == 3


def test_attachments_accept_a_url_outside_a_list_and_a_tip_that_is_no_hex() -> None:
    parsed = parse(attachments="/media/file?tip=Photo%2D1&ns=x", loaderPhotoAttachment="")
    assert [one.tip for one in parsed.attachments] == ["Photo-1"]
    assert parsed.total_attachments == 1


def test_attachments_count_what_lies_beyond_the_limit() -> None:
    body = records.body(LCD, attachments=[media(str(n)) for n in range(12)] * 2)
    parsed = record.parse(body, type_=LCD, tip=TIP, zone=PERTH, max_attachments=10)
    assert (len(parsed.attachments), parsed.too_many, parsed.total_attachments) == (10, 3, 13)


def test_attachments_ignore_lists_of_hashes_and_fields_that_only_sound_alike() -> None:
    fpi = CATALOGUE.by_code["FPI"]
    assert len(parse(fpi).attachments) == 21
    assert len(parse(SO).attachments) == 4
    assert parse(CATALOGUE.by_code["TA"]).total_attachments == 0
    assert len(parse(CATALOGUE.by_code["CCC"]).attachments) == 14


def test_catalogue_finds_a_type_by_code_or_name_in_any_case() -> None:
    assert CATALOGUE.find("LCD") is LCD
    assert CATALOGUE.find(None, "load compliance check (driver/loader) ") is LCD
    assert CATALOGUE.find("nonsense", "so") is SO
    assert CATALOGUE.find(None, "unknown") is None
    assert CATALOGUE.find("", None) is None
    assert CATALOGUE.by_header(" LCDINSPECTIONID ") is LCD
    assert CATALOGUE.by_header("nogginId") is None
    assert typing.cast(Catalogue, CATALOGUE).by_name[SO.name] is SO
