"""The inspection text, to the letter."""

import json
from datetime import date
from pathlib import Path

import pytest

from noggin_mp.domain import errors, record
from noggin_mp.domain.object_types import ObjectType
from noggin_mp.settings import object_types
from noggin_mp.worker import text
from tests.support import records
from tests.support.records import PERTH, TIP, hex64, media

CATALOGUE = object_types.load()
LCD = CATALOGUE.by_code["LCD"]
DAY = date(2025, 10, 24)
RULE = "=" * 60


def render(type_: ObjectType, body: dict[str, object], names: dict[str, str] | None = None) -> str:
    parsed = record.parse(body, type_=type_, tip=TIP, zone=PERTH)
    return text.render(parsed, record.resolve(parsed, names or {}), generated=DAY)


def test_render_writes_the_text_operators_know() -> None:
    body: dict[str, object] = {
        "$meta": {"tip": TIP},
        "lcdInspectionId": "LCD - 045289",
        "date": "2025-10-23T00:00:00.000+08:00",
        "inspectedBy": "J. Smith",
        "vehicle": hex64("truck"),
        "trailer": hex64("first"),
        "trailer2": "Hired dolly",
        "trailer3": hex64("third"),
        "isYourLoadCompliantWithTheLoadRestraintGuide2004Ye": False,
        "isYourLoadCompliantWithTheLoadRestraintGuide2004No": True,
        "freeTextWhyIsTheLoadNotCompliant": "two straps\nwere loose",
        "straps": True,
        "noOfStraps": "6",
        "chains": False,
        "attachments": [media("a"), media("b"), media("a")],
        "loaderPhotoAttachment": [media("c")],
    }
    names = {hex64("truck"): "Truck 7", hex64("first"): "Trailer 12"}
    payload = json.dumps(body, indent=2, sort_keys=True)
    assert (
        render(LCD, body, names)
        == f"""\
{RULE}
LOAD COMPLIANCE CHECK (DRIVER/LOADER)
RECORD GENERATED: 24-10-2025
{RULE}

LCD Inspection ID:     LCD - 045289

Date:                  23-10-2025

Inspected By:          J. Smith

Vehicle:               Truck 7

Trailer:               Trailer 12

Trailer 2:             Hired dolly

Trailer 3:             Unknown trailer (hash: {hex64("third")})

Load Compliance:       Not compliant

Reason:                two straps
                       were loose

Straps:                Yes

Number of Straps:      6

Chains:                No

Attachments:           3

{RULE}
FULL JSON PAYLOAD
{RULE}

{payload}
"""
    )


@pytest.mark.parametrize("code", sorted(CATALOGUE.by_code))
def test_render_has_every_line_of_every_type(code: str) -> None:
    type_ = CATALOGUE.by_code[code]
    rendered = render(type_, records.body(type_))
    head = rendered.partition("FULL JSON PAYLOAD")[0]
    lines = head.splitlines()
    assert lines[0] == lines[3] == RULE
    for label, source in type_.text.lines:
        if source == "$compliance":
            continue  # both booleans are ticked in the sample
        (line,) = (line for line in lines if line.startswith(f"{label}:"))
        assert line[: text.LABEL_WIDTH].rstrip() == f"{label}:"
        assert line[text.LABEL_WIDTH] != " "
        assert lines[lines.index(line) + 1] == "" and lines[lines.index(line) - 1] == ""
    assert f"Attachments:           {len(type_.file_fields)}\n" in head


def test_render_is_the_same_when_the_payload_comes_back_in_another_order() -> None:
    body = records.body(LCD)
    again = dict(sorted(body.items(), key=lambda item: len(item[0])))
    assert render(LCD, body) == render(LCD, again)


def test_render_says_unknown_when_id_and_date_are_missing() -> None:
    rendered = render(LCD, {})
    assert "LCD Inspection ID:     Unknown\n" in rendered
    assert "Date:                  Unknown\n" in rendered
    assert "Attachments:           0\n" in rendered
    assert "Date:                  soon\n" in render(LCD, {"date": "soon"})


def test_render_names_each_kind_of_unknown() -> None:
    so = CATALOGUE.by_code["SO"]
    rendered = render(so, records.body(so), {hex64("personInvolved2"): "A. Nguyen"})
    unknown = hex64("personInvolved1")
    assert f"Persons Involved:      Unknown person (hash: {unknown}), A. Nguyen\n" in rendered
    assert f"Corrective Actions:    {hex64('correctiveActions1')}, " in rendered
    fpi = CATALOGUE.by_code["FPI"]
    kind = f"Asset Type:            Unknown asset type (hash: {hex64('assetType')})\n"
    assert kind in render(fpi, records.body(fpi))


def test_render_drops_tags_and_keeps_text_that_looks_like_a_template() -> None:
    so = CATALOGUE.by_code["SO"]
    body = records.body(so, findings1="<p>a &amp; b</p><p>{{ 7 * 7 }}</p>", details1="<b>x</b>")
    rendered = render(so, body)
    assert "Findings 1:            a & b\n                       {{ 7 * 7 }}\n" in rendered
    assert "Details 1:             x\n" in rendered


def test_render_uses_a_template_of_ones_own(tmp_path: Path) -> None:
    parsed = record.parse(records.body(LCD), type_=LCD, tip=TIP, zone=PERTH)
    resolved = record.resolve(parsed, {})
    (tmp_path / "inspection.txt.j2").write_text("{{ type.code }} {{ tip }}\n")
    assert text.render(parsed, resolved, generated=DAY, templates=tmp_path) == f"LCD {TIP}\n"
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "inspection.txt.j2").write_text("{{ nothing }}")
    for folder in (tmp_path / "bad", tmp_path / "none"):
        with pytest.raises(errors.ConfigError, match="text template"):
            text.render(parsed, resolved, generated=DAY, templates=folder)
