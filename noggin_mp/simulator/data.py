"""The world the simulator serves: every record, file and name, derived on demand from a seed.

Nothing is stored: a TIP says what it names, so a world of a million TIPs costs no memory.
"""

import datetime
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from noggin_mp.simulator import entities, ids, media, records, shapes

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One file of a record, as the simulator serves it."""

    tip: str
    field: str
    path: str
    photo: media.Photo


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a TIP stands: its number in the world, its type, its index within the type."""

    number: int
    shape: shapes.Shape
    index: int


class World:
    """`tips` records under one seed, numbered from 0, the types taking turns.

    A share `missing` of them is known to exports but absent from the API (404). The files of the
    records are `media_bytes` (smallest, largest) bytes long.
    """

    __slots__ = (
        "_ids",
        "_missing",
        "_records",
        "_shapes",
        "entities",
        "media_bytes",
        "namespace",
        "seed",
        "tips",
    )

    def __init__(
        self,
        *,
        seed: int = 1,
        tips: int = 200,
        types: Sequence[str] = (),
        missing: Fraction = Fraction(1, 100),
        namespace: str = "",
        media_bytes: tuple[int, int] = (20_000, 60_000),
    ) -> None:
        known = shapes.load()
        self.seed = seed
        self.tips = tips
        self.media_bytes = media_bytes
        self._shapes = tuple(known[code] for code in types or known)
        self._missing = missing
        self._ids = ids.Ids(seed)
        self.namespace = namespace or self._ids.encode(ids.Space.META, 1, 0)
        self.entities = entities.Entities(self._ids)
        self._records = records.Records(self._ids, self.entities, namespace=self.namespace)

    @property
    def types(self) -> tuple[shapes.Shape, ...]:
        """The types of this world, in turn."""
        return self._shapes

    def place(self, number: int) -> Place:
        """Where record `number` stands. Raises: IndexError when it is not in this world."""
        if not 0 <= number < self.tips:
            raise IndexError(f"there is no record {number} in a world of {self.tips}")
        index, turn = divmod(number, len(self._shapes))
        return Place(number=number, shape=self._shapes[turn], index=index)

    def tip(self, number: int) -> str:
        """The TIP of record `number`. Raises: IndexError."""
        place = self.place(number)
        return self._ids.encode(ids.Space.RECORD, place.shape.ordinal, place.index)

    def find(self, tip: str) -> Place | None:
        """Where a record's TIP stands, absent (404) records included; None for any other text."""
        name = self._ids.decode(tip)
        if name is None or name.space != ids.Space.RECORD:
            return None
        return self._owner(name)

    def owner(self, attachment_tip: str) -> Place | None:
        """The record that an attachment's TIP belongs to, None for any other text."""
        name = self._ids.decode(attachment_tip)
        if name is None or name.space != ids.Space.ATTACHMENT:
            return None
        return self._owner(name)

    def _owner(self, name: ids.Name) -> Place | None:
        for turn, shape in enumerate(self._shapes):
            if shape.ordinal == name.kind:
                number = name.index * len(self._shapes) + turn
                return self.place(number) if number < self.tips else None
        return None

    def exists(self, number: int) -> bool:
        """False for the records that the API answers with 404.

        Exactly one record in each run of `1 / missing` is absent; the seed says which.
        """
        share = self._missing
        if not share:
            return True
        run = number * share.numerator // share.denominator
        return number != self._absent_in(run)

    def _absent_in(self, run: int) -> int:
        above, below = self._missing.denominator, self._missing.numerator
        first, after = -(-run * above // below), -(-(run + 1) * above // below)
        return first + self._ids.number("missing", run) % (after - first)

    def missing(self) -> Iterator[str]:
        """The TIPs that exports list and the API does not have."""
        if not self._missing:
            return
        for run in range(self.tips * self._missing.numerator // self._missing.denominator + 1):
            number = self._absent_in(run)
            if number < self.tips:
                yield self.tip(number)

    def reference(self, place: Place) -> str:
        """The inspection id, such as `LCD - 100042`."""
        return self._records.reference(place.shape, place.index)

    def day(self, place: Place) -> datetime.date:
        """The local day of the inspection."""
        return self._records.day(place.shape, place.index)

    def payload(self, place: Place, *, origin: str = "") -> dict[str, Any]:
        """The record's object as the API answers it; `origin` serves its rare absolute URLs."""
        return self._records.payload(place.shape, place.index, origin=origin)

    def body(self, place: Place, *, origin: str = "") -> bytes:
        """The payload as JSON in UTF-8."""
        return encode(self.payload(place, origin=origin))

    def attachments(self, place: Place) -> tuple[Attachment, ...]:
        """The files of a record, in the order of its payload."""
        found = []
        for planned in self._records.plan(place.shape, place.index):
            path = self._records.media_path(place.shape, place.index, planned.sequence)
            tip = path.rpartition("=")[2]
            found.append(
                Attachment(tip=tip, field=planned.field, path=path, photo=self._photo(tip))
            )
        return tuple(found)

    def photo(self, tip: str) -> media.Photo | None:
        """The file behind an attachment's TIP; None when no record of this world lists it."""
        place = self.owner(tip)
        return None if place is None or not self.exists(place.number) else self._photo(tip)

    def _photo(self, tip: str) -> media.Photo:
        low, high = self.media_bytes
        return media.photo(tip, self._ids.number("media", tip), low=low, high=high)

    def truth(self, place: Place) -> dict[str, Any]:
        """What a faultless extraction of this record must end with, and each file's sha256."""
        exists = self.exists(place.number)
        return {
            "number": place.number,
            "tip": self.tip(place.number),
            "type": place.shape.code,
            "endpoint": place.shape.endpoint,
            "exists": exists,
            "reference": self.reference(place),
            "date": self.day(place).isoformat(),
            "attachments": [
                {
                    "tip": attachment.tip,
                    "field": attachment.field,
                    "path": attachment.path,
                    "content_type": attachment.photo.content_type,
                    "size_bytes": attachment.photo.size_bytes,
                    "sha256": attachment.photo.sha256(),
                }
                for attachment in (self.attachments(place) if exists else ())
            ],
        }


def encode(payload: dict[str, Any]) -> bytes:
    """A payload as compact JSON in UTF-8, the way the API sends it."""
    return _ENCODER.encode(payload).encode()
