"""Where files go: layouts, safe names, collisions."""

import dataclasses
import unicodedata
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noggin_mp.domain import errors, names, paths, record
from noggin_mp.domain.record import ParsedRecord
from noggin_mp.domain.tip import Tip
from noggin_mp.settings import object_types
from tests.support import records
from tests.support.records import PERTH, TIP, hex64, media

LCD = object_types.load().by_code["LCD"]


def parsed(**changes: object) -> ParsedRecord:
    body = records.body(
        LCD,
        lcdInspectionId="LCD - 045289",
        attachments=[media("a"), media("b")],
        loaderPhotoAttachment=[media("c")],
    )
    body.update(changes)
    return record.parse(body, type_=LCD, tip=TIP, zone=PERTH)


def test_plan_follows_the_default_layout() -> None:
    plan = paths.plan(parsed())
    assert plan.folder == "2025/10/2025-10-23 LCD - 045289"
    assert plan.text_name == "LCD - 045289_inspection_data.txt"
    assert plan.stems == {
        hex64("a"): "LCD - 045289_20251023_photo_001",
        hex64("b"): "LCD - 045289_20251023_photo_002",
        hex64("c"): "LCD - 045289_20251023_photo_003",
    }


def test_plan_follows_the_layout_by_type() -> None:
    plan = paths.plan(parsed(), layout=paths.LAYOUTS["type"])
    assert plan.folder == "LCD/2025/10/2025-10-23 LCD - 045289"
    assert plan.text_name == "LCD - 045289_inspection_data.txt"
    assert list(plan.stems.values()) == [
        "LCD LCD - 045289 (23 Oct 2025) photo-001",
        "LCD LCD - 045289 (23 Oct 2025) photo-002",
        "LCD LCD - 045289 (23 Oct 2025) loader_photo-003",
    ]


def test_plan_says_unknown_when_the_date_is_missing() -> None:
    plan = paths.plan(parsed(date=None))
    assert plan.folder == "unknown_year/unknown_month/unknown_date LCD - 045289"
    assert plan.stems[Tip(hex64("a"))] == "LCD - 045289_unknown_date_photo_001"
    by_type = paths.plan(parsed(date="x"), layout=paths.by_type)
    assert by_type.stems[Tip(hex64("a"))] == "LCD LCD - 045289 (unknown_date) photo-001"


def test_plan_uses_the_tip_when_the_id_is_missing() -> None:
    one = dataclasses.replace(parsed(), reference=None)
    other = dataclasses.replace(one, tip=Tip(TIP[:-1] + "x"))
    assert paths.plan(one).folder.startswith(f"2025/10/2025-10-23 {TIP[:12]}-")
    assert paths.plan(one).folder != paths.plan(other).folder
    assert paths.plan(dataclasses.replace(one, tip=Tip("short"))).folder.endswith(" short")


def test_plan_tells_photos_apart_when_the_layout_does_not() -> None:
    plan = paths.plan(parsed(), layout=lambda values: f"{values['id']}/Photo")
    assert list(plan.stems.values()) == ["Photo", "Photo-002", "Photo-003"]


@pytest.mark.parametrize("rendered", ["", "/", "file", " /file", "//"])
def test_plan_refuses_a_layout_without_a_folder(rendered: str) -> None:
    with pytest.raises(errors.ConfigError, match="no folder"):
        paths.plan(parsed(), layout=lambda values: rendered)


def test_plan_keeps_a_hostile_layout_inside_the_root() -> None:
    plan = paths.plan(parsed(), layout=lambda values: "/../../etc/./passwd")
    assert plan.folder.split("/")[2] == "etc"
    assert not {"..", ".", ""} & set(plan.folder.split("/"))


def test_alternative_is_the_same_every_time_and_tells_tips_apart() -> None:
    folder = "2025/10/2025-10-23 LCD - 045289"
    assert paths.alternative(folder, TIP) == f"{folder} (tip {TIP[:8]})"
    twins = [Tip(TIP[:20] + end) for end in "ab"]
    assert len({paths.alternative(folder, tip) for tip in twins}) == 1
    for attempt in (2, 3):
        assert len({paths.alternative(folder, tip, attempt=attempt) for tip in twins}) == 2
    odd = paths.alternative(folder, Tip("../x?<é>"))
    assert odd.startswith(f"{folder} (tip ") and odd.count("/") == 2


@given(id_=st.text(min_size=1, max_size=190), tip=st.text(min_size=1, max_size=64))
@settings(max_examples=150)
def test_plan_never_leaves_the_root_whatever_the_id(id_: str, tip: str) -> None:
    one = dataclasses.replace(parsed(), reference=id_, tip=Tip(tip))
    for layout in paths.LAYOUTS.values():
        plan = paths.plan(one, layout=layout)
        _check_components(plan.folder.split("/"))
        for attempt in (1, 2, 3):
            other = paths.alternative(plan.folder, one.tip, attempt=attempt)
            _check_components(other.split("/"))
        _check_components([plan.text_name, *plan.stems.values()])
        assert len(set(plan.stems.values())) == 3


def _check_components(parts: list[str]) -> None:
    for part in parts:
        assert part not in ("", ".", "..")
        assert not set(part) & set('/\\\0\n<>:"|?*')
        assert not part.startswith((".", " "))
        assert not part.endswith((".", " "))
        temporary = f".{part}.jpeg.{2**63 - 1}.tmp"
        assert len(temporary.encode()) <= 255
        assert not part.casefold().endswith(".tmp")


@given(st.text(max_size=400))
@settings(max_examples=400)
def test_safe_is_safe_and_idempotent(text: str) -> None:
    name = names.safe(text)
    _check_components([name])
    assert names.safe(name) == name
    assert name.isprintable()


@given(st.text(max_size=120), st.text(max_size=120))
@settings(max_examples=400)
def test_safe_keeps_different_texts_different(one: str, other: str) -> None:
    same = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert (names.safe(one) == names.safe(other)) == same


@pytest.mark.parametrize("suffix", ["", "a", "b", "é", "😀"])
def test_safe_tells_long_names_apart_by_their_ends(suffix: str) -> None:
    long = "é" * 200
    name = names.safe(long + suffix + "tail")
    assert len(name.encode()) <= names.LIMIT_BYTES
    assert name != names.safe(long + "tail" + suffix + "!")


@pytest.mark.parametrize(
    "given_name", ["LCD - 045289", "FL - Inspection - 12345", "a.b", "Zoë", "日本", "x_y(1)", "C~1"]
)
def test_safe_leaves_a_good_name_alone(given_name: str) -> None:
    assert names.safe(given_name) == given_name


@pytest.mark.parametrize(
    ("start", "given_name"),
    [
        ("_ ~", ""), ("_ ~", ".."), ("_ ~", "."), ("_hidden ~", "..hidden"), ("a_b ~", "a/b"),
        ("a_b ~", "a\\b"), ("a_b ~", "a\0b"), ("a_b ~", "a\u202eb"), ("_CON ~", "CON"),
        ("_con.txt ~", "con.txt"), ("_LPT1 ~", "LPT1"), ("name ~", "name. . "),
        ("x_tmp ~", "x.TMP"),        ("x ~", " x"), ("a_ ~", "a?"), ("half_ ~", "half\ud800"),
    ],
)  # fmt: skip
def test_safe_alters_a_bad_name_and_says_so(start: str, given_name: str) -> None:
    assert names.safe(given_name).startswith(start)
    assert names.safe(given_name) != given_name


def test_safe_composes_unicode() -> None:
    assert names.safe("Zoe\u0308") == "Zoë"


def test_long_dates_do_not_depend_on_the_locale() -> None:
    one = dataclasses.replace(parsed(), inspection_date=date(2025, 5, 3))
    stem = next(iter(paths.plan(one, layout=paths.by_type).stems.values()))
    assert "(03 May 2025)" in stem
