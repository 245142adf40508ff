"""One record: its date, its attachments and its payload, all from (seed, type, index)."""

import datetime
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from noggin_mp.simulator import entities, ids, shapes, values

TEXT_IN_HASH_FIELD = 0.01  # share of hash fields that hold plain text
ABSOLUTE_URL = 0.02  # share of media URLs that are absolute (own origin)
PLATES = frozenset({"vehicleId", "trailerId", "trailerId2", "trailerId3", "rego"})
_BELOW, _UP_TO_MEDIAN = 0.40, 0.75  # of records: fewer files than the median; at most the median


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One attachment of a record: the field that lists it and its number within the record."""

    field: str
    sequence: int


class Records:
    """Draws the records of one seed."""

    __slots__ = ("_entities", "_ids", "_meta", "_namespace")

    def __init__(self, source: ids.Ids, pool: entities.Entities, *, namespace: str) -> None:
        self._ids = source
        self._entities = pool
        self._namespace = quote(namespace, safe="")
        self._meta: dict[int, str] = {}

    def reference(self, shape: shapes.Shape, index: int) -> str:
        """The inspection id people know, such as `LCD - 100042`."""
        return f"{shape.id_prefix}{10 ** (shape.id_digits - 1) + index}"

    def day(self, shape: shapes.Shape, index: int) -> datetime.date:
        """The local day of the inspection."""
        return values.day(self._ids.number("day", shape.code, index))

    def plan(self, shape: shapes.Shape, index: int) -> tuple[Planned, ...]:
        """The attachments of the record, in payload order."""
        rng = self._rng(shape, index)
        counts = _attachment_counts(rng, shape, _present(rng, shape))
        names = [field for field, count in counts.items() for _ in range(count)]
        return tuple(Planned(field=name, sequence=at) for at, name in enumerate(names))

    def payload(self, shape: shapes.Shape, index: int, *, origin: str = "") -> dict[str, Any]:
        """The whole object as the API answers it. `origin` is used in the rare absolute URLs."""
        rng = self._rng(shape, index)
        present = _present(rng, shape)
        counts = _attachment_counts(rng, shape, present)
        draw = rng.random
        when = self.day(shape, index)
        body: dict[str, Any] = {"$meta": self._meta_of(rng, shape, index, when)}
        drawn: dict[str, entities.Entity] = {}
        sequence = 0
        for field in shape.fields:
            if field.kind == "media_list":
                if count := counts.get(field.name, 0):
                    body[field.name] = [
                        (origin if draw() < ABSOLUTE_URL else "")
                        + self.media_path(shape, index, sequence + at)
                        for at in range(count)
                    ]
                    sequence += count
            elif field.name in present:
                if field.kind == "bool":
                    body[field.name] = draw() < 0.8
                elif field.kind == "id":
                    body[field.name] = self.reference(shape, index)
                elif field.kind == "date":
                    body[field.name] = values.midnight(when)
                else:
                    body[field.name] = self._value(rng, field, drawn)
        return body

    def media_path(self, shape: shapes.Shape, index: int, sequence: int) -> str:
        """The path under which the record lists its attachment number `sequence`."""
        tip = self._ids.encode(ids.Space.ATTACHMENT, shape.ordinal, index, sequence)
        return f"/media/file?ns={self._namespace}&tip={tip}"

    def _value(
        self, rng: random.Random, field: shapes.Field, drawn: dict[str, entities.Entity]
    ) -> Any:
        match field.kind:
            case "hash":
                return self._hash(rng, field, drawn)
            case "hash_list":
                count = values.between(rng, *field.items)
                return [self._draw(rng, field.entity).hash for _ in range(count)]
            case "number":
                return values.number(rng)
            case "html":
                return values.html(rng, *field.length)
            case "enum_text":
                return values.choice(rng, field.name)
            case _ if field.name in PLATES:
                return self._plate(rng, field, drawn)
            case _:
                return values.text(rng, field)

    def _hash(
        self, rng: random.Random, field: shapes.Field, drawn: dict[str, entities.Entity]
    ) -> str:
        entity = self._draw(rng, field.entity)
        if rng.random() < TEXT_IN_HASH_FIELD:
            return entity.name
        drawn[field.name] = entity
        return entity.hash

    def _plate(
        self, rng: random.Random, field: shapes.Field, drawn: dict[str, entities.Entity]
    ) -> str:
        owner = "vehicle" if field.name == "rego" else field.name.replace("Id", "")
        entity = drawn.get(owner)
        if entity is None:
            entity = self._draw(rng, "vehicle" if owner == "vehicle" else "trailer")
        return entity.plate

    def _draw(self, rng: random.Random, kind: str) -> entities.Entity:
        pool = self._entities.of(kind)
        return pool[int(rng.random() * len(pool))]

    def _meta_of(
        self, rng: random.Random, shape: shapes.Shape, index: int, when: datetime.date
    ) -> dict[str, Any]:
        seconds, millis = int(rng.random() * 60000) + 18000, int(rng.random() * 1000)
        later = seconds + int(rng.random() ** 6 * 864000)
        sid = self._fixed(1)
        return {
            "createdDate": values.stamp(when, seconds, millis),
            "modifiedDate": values.stamp(when, later, millis),
            "security": self._fixed(2 + index % 3),
            "type": self._fixed(100 + shape.ordinal),
            "tip": self._ids.encode(ids.Space.RECORD, shape.ordinal, index),
            "sid": sid,
            "branch": "branch/master",
            "parent": [sid],
            "errors": [],
        }

    def _fixed(self, number: int) -> str:
        if number not in self._meta:
            self._meta[number] = self._ids.encode(ids.Space.META, 0, number)
        return self._meta[number]

    def _rng(self, shape: shapes.Shape, index: int) -> random.Random:
        return random.Random(self._ids.number("record", shape.code, index))


def _present(rng: random.Random, shape: shapes.Shape) -> frozenset[str]:
    """Which fields the record carries; fields of one group share one draw."""
    draw = rng.random
    names = [name for name, presence in shape.alone if presence == 1.0 or draw() < presence]
    for group in shape.together:
        shared = draw()
        for field in group:
            if (1.0 - shared if field.flip else shared) < field.presence:
                names.append(field.name)
    return frozenset(names)


def _attachment_counts(
    rng: random.Random, shape: shapes.Shape, present: frozenset[str]
) -> dict[str, int]:
    """How many files each attachment field lists, so that the sum keeps to the type's range."""
    wanted = shape.attachments
    if not wanted.high:
        return {}
    chosen = [field for field in shape.media_fields if field.name in present]
    low, high = _reach(chosen)
    while low > wanted.high:  # drop the rarest fields until the smallest record fits
        chosen.remove(min(chosen, key=lambda field: field.presence))
        low, high = _reach(chosen)
    total = _draw_total(rng, wanted, max(low, wanted.low), max(low, min(high, wanted.high)))
    counts = {field.name: field.items[0] for field in chosen}
    spare = total - low
    for field in chosen:
        more = min(spare, field.items[1] - field.items[0])
        counts[field.name] += more
        spare -= more
    return counts


def _reach(fields: list[shapes.Field]) -> tuple[int, int]:
    return sum(field.items[0] for field in fields), sum(field.items[1] for field in fields)


def _draw_total(rng: random.Random, wanted: shapes.Range, low: int, high: int) -> int:
    """A total from `low` to `high` whose median over all records is the wanted one."""
    draw, place = rng.random(), rng.random()
    if low >= wanted.median or high <= wanted.median:
        return values.between(rng, low, high) if low < high else low
    if draw < _BELOW:
        return values.between(rng, low, wanted.median - 1)
    if draw < _UP_TO_MEDIAN:
        return wanted.median
    return wanted.median + 1 + int((high - wanted.median) * place)
