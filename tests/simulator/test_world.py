"""The world: determinism, shapes, ranges, absent records, identifiers, names."""

import statistics
from collections.abc import Iterator
from fractions import Fraction

import pytest

from noggin_mp.simulator import data, entities, ids, records, shapes

SAMPLE = 400
KINDS = {
    "bool": bool,
    "hash_list": list,
    "media_list": list,
}


@pytest.fixture(scope="module")
def payloads() -> dict[str, list[dict[str, object]]]:
    """Many payloads of every type."""
    world = data.World(seed=7, tips=6 * SAMPLE, missing=Fraction(0))
    drawn: dict[str, list[dict[str, object]]] = {code: [] for code in shapes.load()}
    for number in range(world.tips):
        place = world.place(number)
        drawn[place.shape.code].append(world.payload(place, origin="http://x"))
    return drawn


@pytest.mark.parametrize("code", list(shapes.load()))
def test_payload_keeps_to_shape_when_drawn_many_times(
    payloads: dict[str, list[dict[str, object]]], code: str
) -> None:
    shape = shapes.load()[code]
    allowed = {field.name: field for field in shape.fields}
    for payload in payloads[code]:
        assert set(payload) - set(allowed) == {"$meta"}
        for name, value in payload.items():
            if name != "$meta":
                _check_value(allowed[name], value)


def _check_value(field: shapes.Field, value: object) -> None:
    expected = KINDS.get(field.kind)
    if expected is not None:
        assert isinstance(value, expected), field.name
        if isinstance(value, list):
            assert field.items[0] <= len(value) <= field.items[1], field.name
    elif field.kind == "number":
        assert isinstance(value, int) or (isinstance(value, str) and value.isdigit()), field.name
    else:
        assert isinstance(value, str), field.name
        if field.kind in ("text", "html") and field.name not in records.PLATES:
            assert field.length[0] <= len(value) <= field.length[1], (field.name, value)


@pytest.mark.parametrize("code", list(shapes.load()))
def test_payload_shows_fields_as_often_as_shape_says(
    payloads: dict[str, list[dict[str, object]]], code: str
) -> None:
    shape = shapes.load()[code]
    for field in shape.fields:
        if field.kind == "media_list" and not field.observed:
            continue  # bounded by the files per record of the whole type
        share = sum(field.name in payload for payload in payloads[code]) / SAMPLE
        assert share == pytest.approx(field.presence, abs=0.09), field.name


@pytest.mark.parametrize(
    ("code", "expected"),
    [("LCD", (1, 3, 5)), ("LCS", (1, 3, 5)), ("CCC", (3, 4, 9)), ("FPI", (0, 0, 0)),
     ("SO", (3, 6, 29)), ("TA", (0, 0, 0))],
)  # fmt: skip
def test_attachments_keep_to_range_and_median_of_type(
    payloads: dict[str, list[dict[str, object]]], code: str, expected: tuple[int, int, int]
) -> None:
    names = [field.name for field in shapes.load()[code].media_fields]
    counts = [
        sum(len(payload.get(name, ())) for name in names)  # type: ignore[arg-type]
        for payload in payloads[code]
    ]
    low, median, high = expected
    assert low <= min(counts)
    assert max(counts) <= high
    assert statistics.median(counts) == median


@pytest.mark.parametrize("code", list(shapes.load()))
def test_payload_is_about_as_long_as_real_ones(
    payloads: dict[str, list[dict[str, object]]], code: str
) -> None:
    sizes = [len(data.encode(payload)) for payload in payloads[code]]
    expected = shapes.load()[code].payload_bytes.median
    assert statistics.median(sizes) == pytest.approx(expected, rel=0.08)


def test_payload_has_complete_meta_and_local_midnight(
    payloads: dict[str, list[dict[str, object]]],
) -> None:
    for payload in (payload for drawn in payloads.values() for payload in drawn):
        meta = payload["$meta"]
        assert isinstance(meta, dict)
        assert list(meta) == [
            "createdDate", "modifiedDate", "security", "type", "tip", "sid", "branch", "parent",
            "errors",
        ]  # fmt: skip
        assert meta["createdDate"] <= meta["modifiedDate"]
        assert meta["createdDate"].endswith("Z")
        assert len(meta["createdDate"]) == len("2025-01-01T00:00:00.000Z")
        assert meta["parent"] == [meta["sid"]]
        assert meta["errors"] == []
        assert str(payload["date"]).endswith("T00:00:00.000+08:00")


def test_payload_holds_the_rare_forms_when_drawn_many_times(
    payloads: dict[str, list[dict[str, object]]],
) -> None:
    everything = [payload for drawn in payloads.values() for payload in drawn]
    urls = [
        url
        for payload in everything
        for value in payload.values()
        if isinstance(value, list)
        for url in value
        if "/media/file" in url
    ]
    absolute = [url for url in urls if url.startswith("http://x/media/file?ns=")]
    assert 0 < len(absolute) < len(urls) / 20
    texts = [payload.get("noOfWebbings") for payload in everything]
    assert any(isinstance(value, str) for value in texts)
    assert any(isinstance(value, int) for value in texts)
    teams = [str(payload["team"]) for payload in everything if "team" in payload]
    assert any(len(team) != 64 for team in teams)
    assert any("\n" in str(payload.get("summary1", "")) for payload in everything)


def test_world_is_the_same_when_seed_is_the_same() -> None:
    first, again, other = (data.World(seed=seed, tips=30) for seed in (3, 3, 4))
    for number in range(30):
        place = first.place(number)
        assert first.body(place) == again.body(again.place(number))
        assert first.tip(number) == again.tip(number) != other.tip(number)
        assert first.truth(place) == again.truth(place)


def test_world_numbers_a_tip_alike_when_it_holds_a_million() -> None:
    small, large = data.World(seed=1, tips=60), data.World(seed=1, tips=1_000_000)
    assert [small.tip(number) for number in range(60)] == [large.tip(n) for n in range(60)]
    last = large.find(large.tip(999_999))
    assert last is not None
    assert last.number == 999_999
    assert small.find(large.tip(999_999)) is None


def test_attachments_match_payload_in_order() -> None:
    world = data.World(seed=5, tips=120)
    for number in range(world.tips):
        place = world.place(number)
        payload = world.payload(place)
        listed = [
            url.rpartition("=")[2]
            for field in place.shape.media_fields
            for url in payload.get(field.name, ())
        ]
        attachments = world.attachments(place)
        assert sorted(attachment.tip for attachment in attachments) == sorted(listed)
        for attachment in attachments:
            owner = world.owner(attachment.tip)
            assert owner == place
            assert any(attachment.path in url for url in payload[attachment.field])


@pytest.mark.parametrize(
    ("share", "tips", "expected"), [("1/100", 200, 2), ("3/100", 1000, 30), ("0", 50, 0),
                                    ("1", 50, 50), ("2/3", 60, 40)],
)  # fmt: skip
def test_world_misses_exactly_its_share(share: str, tips: int, expected: int) -> None:
    world = data.World(seed=9, tips=tips, missing=Fraction(share))
    missing = list(world.missing())
    assert len(missing) == expected
    assert missing == [world.tip(n) for n in range(tips) if not world.exists(n)]


def test_world_serves_no_file_of_a_missing_record() -> None:
    world = data.World(seed=2, tips=60, missing=Fraction(1))
    attachments = world.attachments(world.place(0))
    assert attachments
    assert world.photo(attachments[0].tip) is None
    assert world.truth(world.place(0))["attachments"] == []


def test_ids_decode_only_what_they_made() -> None:
    made = ids.Ids(1)
    tip = made.encode(ids.Space.RECORD, 3, 70_000, 5)
    assert made.decode(tip) == ids.Name(ids.Space.RECORD, 3, 70_000, 5)
    for other in ("", "x" * 64, tip.upper(), tip[:-1] + ("0" if tip[-1] != "0" else "1"), tip[2:]):
        assert made.decode(other) is None
    assert ids.Ids(2).decode(tip) is None


def _pools() -> Iterator[tuple[str, tuple[entities.Entity, ...]]]:
    pool = entities.Entities(ids.Ids(1))
    return ((kind, pool.of(kind)) for kind in entities.KINDS)


def test_entities_have_names_and_hashes_of_their_own() -> None:
    for kind, members in _pools():
        assert len({entity.hash for entity in members}) == len(members), kind
        assert len({entity.name for entity in members}) == len(members), kind


def test_lookups_name_most_entities_but_not_all() -> None:
    pool = entities.Entities(ids.Ids(1))
    known = list(pool.lookups())
    for kind in ("vehicle", "trailer", "team", "person", "department"):
        named = sum(entity.kind == kind for entity in known)
        assert 0.85 * entities.POOL[kind] < named < entities.POOL[kind]
    assert not any(entity.kind == "action" for entity in known)
