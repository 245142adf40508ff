"""What records look like: the fields of every object type, read from payload_shapes.json."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHAPES = Path(__file__).with_name("payload_shapes.json")
_NESTED = frozenset({"SO"})  # a third observation there implies a second one


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a type.

    `presence` is the share of records that carry it. Fields of one `group` appear together (a
    trailer and its plate). `flip` mirrors the group's draw, so that the group of trailer 3 is not
    simply a part of the group of trailer 2.
    """

    name: str
    kind: str
    presence: float
    group: str
    flip: bool
    length: tuple[int, int]
    items: tuple[int, int]
    entity: str
    observed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Minimum, median and maximum of something per record."""

    low: int
    median: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One object type: its endpoint, ids and fields, in the order of the payload.

    `media_fields` are the attachment lists. Presence is drawn for the fields in `alone` (name and
    share) one by one, and once for each group in `together`.
    """

    code: str
    ordinal: int
    endpoint: str
    id_field: str
    id_prefix: str
    id_digits: int
    attachments: Range
    payload_bytes: Range
    fields: tuple[Field, ...]
    media_fields: tuple[Field, ...]
    alone: tuple[tuple[str, float], ...]
    together: tuple[tuple[Field, ...], ...]


@functools.cache
def load() -> dict[str, Shape]:
    """Every shape by its abbreviation, in the file's order. Source: payload_shapes.json."""
    types = json.loads(SHAPES.read_text(encoding="utf-8"))["types"]
    return {code: _shape(code, at, raw) for at, (code, raw) in enumerate(types.items())}


def _shape(code: str, ordinal: int, raw: dict[str, Any]) -> Shape:
    fields = tuple(_field(code, field) for field in raw["fields"])
    groups: dict[str, list[Field]] = {}
    for field in fields:
        groups.setdefault(field.group, []).append(field)
    return Shape(
        code=code,
        ordinal=ordinal,
        endpoint=raw["endpoint"].removeprefix("/rest/object/").removesuffix("/$tip"),
        id_field=raw["id_field"],
        id_prefix=raw["id_prefix"],
        id_digits=raw["id_digits"],
        attachments=_range(raw["attachments_per_record"]),
        payload_bytes=_range(raw["payload_bytes"]),
        fields=fields,
        media_fields=tuple(field for field in fields if field.kind == "media_list"),
        alone=tuple(
            (members[0].name, members[0].presence)
            for members in groups.values()
            if len(members) == 1
        ),
        together=tuple(tuple(members) for members in groups.values() if len(members) > 1),
    )


def _range(raw: dict[str, int]) -> Range:
    return Range(low=raw["min"], median=raw["median"], high=raw["max"])


def _field(code: str, raw: dict[str, Any]) -> Field:
    name = raw["name"]
    group, flip = _group(code, name)
    low, high = raw.get("length", (0, 0))
    fewest, most = raw.get("items", (0, 0))
    return Field(
        name=name,
        kind=raw["kind"],
        presence=raw["presence"],
        group=group,
        flip=flip,
        length=(low, high),
        items=(fewest, most),
        entity=raw.get("resolves_to", ""),
        observed=raw.get("observed", True),
    )


def _group(code: str, name: str) -> tuple[str, bool]:
    """Which fields come and go together: by trailer or observation number, else asset and plate."""
    number = "2" if name.endswith("PT") else name[-1]
    if number in "234":
        return "numbered", number != "2" and code not in _NESTED
    return {"vehicleId": "vehicle", "rego": "vehicle", "trailerId": "trailer"}.get(
        name, name
    ), False
