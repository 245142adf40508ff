"""attachments.layout: names and patterns."""

import pytest

from noggin_mp.domain import errors, paths, record
from noggin_mp.settings import layouts, object_types
from tests.support import records
from tests.support.records import PERTH, TIP, media

LCD = object_types.load().by_code["LCD"]
PARSED = record.parse(
    records.body(
        LCD, lcdInspectionId="LCD - 1", attachments=[media("a")], loaderPhotoAttachment=None
    ),
    type_=LCD,
    tip=TIP,
    zone=PERTH,
)


def test_compiled_gives_the_named_layouts() -> None:
    assert layouts.compiled("date") is paths.by_date
    assert layouts.compiled(" type ") is paths.by_type


@pytest.mark.parametrize(
    ("folder", "stem", "pattern"),
    [
        ("LCD/2025/LCD - 1", "LCD - 1_20251023_photo_001", "{{ code }}/{{ year }}/{{ id }}"),
        ("LCD - 1", "photo 001", "{{ id }}/{{ stub }} {{ number }}"),
        ("October/LCD - 1", "n1", "{{ {'10': 'October'}[month] }}/{{ id }}/n{{ number | int }}"),
        (TIP, "LCD - 1_20251023_photo_001", "{{ tip }}"),
    ],
)
def test_compiled_renders_a_pattern(folder: str, stem: str, pattern: str) -> None:
    plan = paths.plan(PARSED, layout=layouts.compiled(pattern))
    assert (plan.folder, list(plan.stems.values())) == (folder, [stem])


@pytest.mark.parametrize(
    ("message", "pattern"),
    [
        ("'vehicle' is undefined", "{{ vehicle }}/{{ id }}"),
        ("no pattern", "{{ id"),
        ("no folder", "{{ number }}"),
        ("no pattern", "{{ 1 / 0 }}"),
        ("no pattern", "{% include 'x' %}"),
        ("unsafe|no pattern", "{{ ''.__class__.__mro__ }}"),
    ],
)
def test_compiled_refuses_a_pattern_that_cannot_work(message: str, pattern: str) -> None:
    with pytest.raises(errors.ConfigError, match=message):
        layouts.compiled(pattern)
