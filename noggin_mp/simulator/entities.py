"""The finite pool of named things that hash fields point at: vehicles, teams, people and so on.

Names are made of birds, trees and numbers: nobody is called so.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from noggin_mp.simulator import ids

POOL: dict[str, int] = {
    "vehicle": 240,
    "trailer": 320,
    "team": 24,
    "department": 12,
    "customer": 60,
    "person": 180,
    "asset": 90,
    "asset_type": 8,
    "action": 400,
}
KINDS = tuple(POOL)
UNNAMED = frozenset({"action"})  # corrective actions are objects of their own, never looked up
UNKNOWN_EVERY = 12  # one entity in twelve is missing from the exported lookups


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_BIRDS = _words(
    "Avocet Bittern Corella Curlew Dotterel Egret Fantail Galah Godwit Heron Honeyeater Ibis"
    " Jabiru Jacana Kestrel Kite Lorikeet Magpie Osprey Oriole Petrel Pipit Plover Quail Rosella"
    " Sandpiper Silvereye Spoonbill Swift Tern Thornbill Wagtail"
)
_TREES = _words(
    "Acacia Banksia Boab Boronia Cassia Cedar Cypress Grevillea Hakea Ironbark Jarrah Karri"
    " Kurrajong Larch Mallee Marri Melaleuca Myrtle Oak Paperbark Quandong Rowan Sheoak Tallow"
    " Tuart Waratah Willow Wandoo Yew"
)
_PLACES = _words("North South East West Port Hills Coast River Valley Plains Harbour Ridge")
_WORK = _words(
    "Linehaul Steel Bulk Container Express Local Heavy Tanker Crane Warehouse Workshop Night"
)
_MACHINES = ("Forklift", "Reach truck", "Container handler", "Yard crane")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One named thing. `plate` is the registration of a vehicle or trailer, else empty."""

    kind: str
    index: int
    hash: str
    name: str
    plate: str
    known: bool


@functools.cache
def people() -> tuple[str, ...]:
    """Every made-up name of a person, in a fixed, mixed order."""
    pairs = [f"{bird} {tree}" for bird in _BIRDS for tree in _TREES]
    return tuple(pairs[at * 389 % len(pairs)] for at in range(len(pairs)))


@functools.cache
def people_of(low: int, high: int) -> tuple[str, ...]:
    """The names of `low` to `high` characters; never empty."""
    fitting = tuple(name for name in people() if low <= len(name) <= high)
    return fitting or tuple(name[:high] for name in people())


class Entities:
    """The pool under one seed."""

    __slots__ = ("_by_kind", "_ids")

    def __init__(self, source: ids.Ids) -> None:
        self._ids = source
        self._by_kind: dict[str, tuple[Entity, ...]] = {}

    def of(self, kind: str) -> tuple[Entity, ...]:
        """Every entity of a kind. Raises: KeyError for a kind that is not in POOL."""
        if kind not in self._by_kind:
            self._by_kind[kind] = tuple(self._make(kind, index) for index in range(POOL[kind]))
        return self._by_kind[kind]

    def lookups(self) -> Iterator[Entity]:
        """The entities that the lookup exports name: most of them, not all."""
        for kind in KINDS:
            if kind not in UNNAMED:
                yield from (entity for entity in self.of(kind) if entity.known)

    def _make(self, kind: str, index: int) -> Entity:
        offset = self._ids.number("unknown", kind) % UNKNOWN_EVERY
        return Entity(
            kind=kind,
            index=index,
            hash=self._ids.encode(ids.Space.ENTITY, KINDS.index(kind), index),
            name=_name(kind, index),
            plate=_plate(kind, index),
            known=kind not in UNNAMED and index % UNKNOWN_EVERY != offset,
        )


def _plate(kind: str, index: int) -> str:
    if kind not in ("vehicle", "trailer"):
        return ""
    first = "1T" if kind == "trailer" else "1"
    letters = 3 - len(first) + 1
    head, rest = first, index * 7 + 3
    for _ in range(letters):
        rest, at = divmod(rest, 23)
        head += "ABCDEFGHJKLMNPRSTUVWXYZ"[at]
    return f"{head}{index % 1000:03d}"


def _name(kind: str, index: int) -> str:
    match kind:
        case "vehicle":
            return f"PM{index + 1:04d} - {_plate(kind, index)}"
        case "trailer":
            return f"TR{index + 1:04d} - {_plate(kind, index)}"
        case "team":
            return f"{_PLACES[index % 12]} {_WORK[(index + index // 12) % 12]}"
        case "department":
            return f"{_WORK[index % 12]} Department"
        case "customer":
            return f"{_TREES[index % len(_TREES)]} & {_PLACES[index // len(_TREES)]} Supplies"
        case "person":
            return people()[index]
        case "asset":
            return f"{_MACHINES[index % 4]} {index + 1:03d}"
        case "asset_type":
            return f"{_MACHINES[index % 4]} {'electric' if index // 4 else 'gas'}"
        case _:
            return f"Action {index + 1:05d}"
