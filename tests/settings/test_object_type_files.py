"""Object types from YAML: the shipped six, a seventh, every mistake with its line."""

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from noggin_mp import resources
from noggin_mp.domain import columns, errors, paths, record, rows
from noggin_mp.domain.object_types import Kind
from noggin_mp.settings import object_types, views
from noggin_mp.worker import text
from tests.support.records import PERTH, TIP, hex64, media

SHAPES = json.loads(
    (Path(rows.__file__).parents[1] / "simulator" / "payload_shapes.json").read_text()
)["types"]
KINDS = {
    "id": "id", "date": "date", "text": "text", "html": "html", "enum_text": "choice",
    "bool": "bool", "number": "number", "hash": "hash", "hash_list": "hash_list",
    "media_list": "files",
}  # fmt: skip
SEVENTH = """\
code: TYR
name: Tyre Checks
endpoint: tyreChecks
id: {field: tyreCheckId, prefix: "TYR - ", digits: 5}
date: checkedOn
fields:
  tyreCheckId: id
  checkedOn: date
  checker: {kind: text, column: inspected_by}
  truck: {kind: hash, column: vehicle, entity: vehicle}
  photos: {kind: files, stub: tyre}
"""


def write(folder: Path, content: str, name: str = "tyr.yaml") -> Path:
    (folder / name).write_text(content, encoding="utf-8")
    return folder


def problems(folder: Path) -> list[tuple[int | None, str]]:
    with pytest.raises(errors.ConfigError) as caught:
        object_types.load(folder)
    assert all(one.file.startswith(str(folder)) for one in caught.value.problems)
    return [(one.line, f"{one.message}; {one.remedy}") for one in caught.value.problems]


@pytest.mark.parametrize("code", sorted(SHAPES))
def test_shipped_types_have_every_known_field(code: str) -> None:
    shape, type_ = SHAPES[code], object_types.load().by_code[code]
    fields = {one.name: one for one in type_.fields}
    assert set(fields) == {one["name"] for one in shape["fields"]}
    for one in shape["fields"]:
        assert fields[one["name"]].kind == KINDS[one["kind"]], one["name"]
        assert fields[one["name"]].entity == one.get("resolves_to"), one["name"]
    assert f"/rest/object/{type_.endpoint}/$tip" == shape["endpoint"]
    assert (type_.id_field, type_.date_field) == (shape["id_field"], shape["date_field"])
    assert (type_.id_prefix, type_.id_digits) == (shape["id_prefix"], shape["id_digits"])
    assert [one.name for one in type_.file_fields] == shape["attachment_fields"]
    single = {one.name for one in type_.hash_fields if one.kind is Kind.HASH}
    assert single == set(shape["hash_fields"])
    lists = {one.name for one in type_.hash_fields if one.kind is Kind.HASH_LIST}
    assert lists == set(shape["list_fields_that_are_not_attachments"])


def test_shipped_types_file_every_id_in_its_own_column() -> None:
    types = object_types.load().types
    assert {one.code: one.id_column for one in types} == {
        "CCC": "coupling_id",
        "FPI": "forklift_prestart_inspection_id",
        "LCD": "lcd_inspection_id",
        "LCS": "lcs_inspection_id",
        "SO": "site_observation_id",
        "TA": "trailer_audit_id",
    }
    used = {field.column for one in types for field in one.fields} - {None}
    assert used == set(columns.MAPPABLE)


def test_seventh_type_needs_one_file_and_no_code(tmp_path: Path) -> None:
    type_ = object_types.load(write(tmp_path, SEVENTH)).by_code["TYR"]
    body = {
        "$meta": {"tip": TIP},
        "tyreCheckId": "TYR - 00042",
        "checkedOn": "2025-10-23T00:00:00.000+08:00",
        "checker": "J. Smith",
        "truck": hex64("truck"),
        "photos": [media("a")],
    }
    parsed = record.parse(body, type_=type_, tip=TIP, zone=PERTH)
    resolved = record.resolve(parsed, {hex64("truck"): "Truck 7"})
    expected = {
        "noggin_reference": "TYR - 00042",
        "inspection_date": date(2025, 10, 23),
        "inspected_by": "J. Smith",
        "vehicle": "Truck 7",
        "vehicle_hash": hex64("truck"),
        "object_type": "Tyre Checks",
        "object_code": "TYR",
    }
    assert {name: resolved.columns[name] for name in expected} == expected
    plan = paths.plan(parsed, layout=paths.by_type)
    assert plan.folder == "TYR/2025/10/2025-10-23 TYR - 00042"
    assert list(plan.stems.values()) == ["TYR TYR - 00042 (23 Oct 2025) tyre-001"]
    assert "TYRE CHECKS" in text.render(parsed, resolved, generated=date(2025, 10, 24))
    assert type_.csv.id_columns == ("tyreCheckId",)
    assert "CREATE VIEW inspections_tyr" in views.main([str(tmp_path), "tyr"])


def test_load_takes_the_shipped_types_together_with_a_seventh(tmp_path: Path) -> None:
    for path in object_types.default_folder().iterdir():
        write(tmp_path, path.read_text(), path.name)
    assert len(object_types.load(write(tmp_path, SEVENTH)).types) == 7


@pytest.mark.parametrize(
    ("line", "message", "old", "new"),
    [
        (9, "no column 'inspected_bye' for a field; did you mean inspected_by?",
         "column: inspected_by}", "column: inspected_bye}"),
        (9, "takes integer, which kind text does not give", "inspected_by", "no_of_straps"),
        (10, "the column inspected_by is filled by checker already",
         "column: vehicle", "column: inspected_by"),
        (7, "no field is of kind 'idd'; did you mean id?", "tyreCheckId: id", "tyreCheckId: idd"),
        (3, "no key 'endpont'; did you mean endpoint?",
         "endpoint: tyreChecks", "endpont: tyreChecks"),
        (3, "not one part of a path", "endpoint: tyreChecks", "endpoint: ../tyreChecks"),
        (1, "lacks endpoint", "endpoint: tyreChecks\n", ""),
        (1, "capitals and digits", "code: TYR", "code: tyr-1"),
        (4, "'tyreCheckID' is not among the fields; did you mean tyreCheckId?",
         "field: tyreCheckId", "field: tyreCheckID"),
        (4, "digits is a number", "digits: 5", "digits: five"),
        (4, "no column 'tyre_check_id'", "digits: 5", "column: tyre_check_id"),
        (5, "must be of kind date, not text", "date: checkedOn", "date: checker"),
        (8, "checkedOn is given twice", "  checker:", "  checkedOn: date\n  checker:"),
        (10, "of kind hash, which needs entity", ", entity: vehicle", ""),
        (8, "of kind id, but the id is tyreCheckId", "checkedOn: date", "checkedOn: id"),
        (11, "not lower case", "stub: tyre", "stub: ../tyre"),
        (11, "takes no stub", "kind: files", "kind: text"),
        (6, "fields must be a mapping", "fields:\n", "fields: [a]\nfieldz:\n"),
        (2, "this must not be empty", "name: Tyre Checks", "name:"),
        (12, "no preview is kept in 'vehicle'",
         "stub: tyre}\n", "stub: tyre}\ncsv: {preview: {truck: vehicle}}\n"),
        (12, "'trukc' is not among the fields; did you mean truck?",
         "stub: tyre}\n", "stub: tyre}\ntext: {lines: {Truck: trukc}}\n"),
        (12, "is longer than 21 characters",
         "stub: tyre}\n", "stub: tyre}\ntext: {lines: {A label that is far too long: truck}}\n"),
        (12, "must be of kind bool, not text",
         "stub: tyre}\n",
         "stub: tyre}\ncompliance: {compliant: checker, not_compliant: checker}\n"),
        (9, "expected", "checker: {kind", "checker: ]{kind"),
    ],
)  # fmt: skip
def test_load_names_the_line_of_a_mistake(
    tmp_path: Path, line: int, message: str, old: str, new: str
) -> None:
    assert SEVENTH.count(old) >= 1
    found = problems(write(tmp_path, SEVENTH.replace(old, new, 1)))
    matching = [where for where, what in found if message in what]
    assert matching, found
    assert matching[0] in (line, line + 1)


def test_load_reports_every_mistake_of_every_file_at_once(tmp_path: Path) -> None:
    write(tmp_path, SEVENTH.replace("kind: text", "kind: txt").replace("stub: tyre", "stub: TYRE"))
    write(tmp_path, "", "empty.yaml")
    write(tmp_path, "[1, 2]", "list.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"code: \xff")
    found = problems(tmp_path)
    assert [message for _, message in found if "txt" in message or "TYRE" in message] != []
    assert len(found) >= 5


def test_load_refuses_two_types_that_claim_the_same(tmp_path: Path) -> None:
    write(tmp_path, SEVENTH)
    write(tmp_path, SEVENTH.replace("code: TYR", "code: TYS"), "tys.yaml")
    assert sorted(message for _, message in problems(tmp_path)) == [
        "the code or name 'Tyre Checks' belongs to tyr.yaml already; ",
        "the csv id column 'tyreCheckId' belongs to tyr.yaml already; ",
    ]


def test_load_keeps_words_that_yaml_takes_for_booleans(tmp_path: Path) -> None:
    content = SEVENTH.replace("code: TYR", "code: NO").replace(
        "  checker:", "  on: bool\n  checker:"
    )
    type_ = object_types.load(write(tmp_path, content)).by_code["NO"]
    assert type_.field_named("on") is not None


@pytest.mark.parametrize("make", [True, False])
def test_load_says_what_to_do_when_the_folder_is_empty_or_missing(
    tmp_path: Path, make: bool
) -> None:
    folder = tmp_path / "types"
    if make:
        folder.mkdir()
    with pytest.raises(errors.ConfigError, match="correct object_types"):
        object_types.load(folder)


def test_views_migration_equals_what_the_yaml_generates() -> None:
    shipped = (resources.folder("sql") / "migrations" / "0004_views.sql").read_text()
    assert shipped == views.migration()


def test_views_refuse_an_unknown_code(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError, match="no object type 'XX'"):
        views.main([str(write(tmp_path, SEVENTH)), "XX"])


def test_load_passes_over_what_an_editor_hides_beside_the_files(tmp_path: Path) -> None:
    write(tmp_path, SEVENTH)
    (tmp_path / ".#tyr.yaml").symlink_to("somebody@somewhere.1234")

    assert list(object_types.load(tmp_path).by_code) == ["TYR"]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (os.mkfifo, "is a pipe into which nobody writes"),
        (lambda file: file.symlink_to("/dev/zero"), "larger than 1 MiB"),
        (lambda file: file.write_text("fields: " + "[" * 5000), "nested too deeply"),
        (lambda file: file.write_bytes(b"code: \xff"), "byte 0xff is not UTF-8"),
        (lambda file: file.mkdir(), "is a directory"),
        (lambda file: file.symlink_to(file), "cannot be read"),
    ],
)
def test_load_refuses_what_is_no_file_of_a_person(
    make: Callable[[Path], object], told: str, tmp_path: Path
) -> None:
    make(tmp_path / "tyr.yaml")

    [(_, said)] = problems(tmp_path)

    assert told in said
