"""What a CSV export says: its header and rows become TIPs to fetch, or rejects with a reason."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, tzinfo
from typing import NamedTuple

from noggin_mp.domain import errors, values
from noggin_mp.domain import tip as tips
from noggin_mp.domain.object_types import Catalogue, ObjectType

TIP_HEADERS = frozenset({"", "tip", "noggin_id", "nogginid", "noggin id", "tip_id", "object tip"})
"""Headers (without case) that name a TIP for certain; others are believed with better evidence."""

_NORMAL_TIP = re.compile(r"[0-9a-fA-F]{64}")
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january"), ("feb", "february"), ("mar", "march"), ("apr", "april"), ("may",),
            ("jun", "june"), ("jul", "july"), ("aug", "august"), ("sep", "sept", "september"),
            ("oct", "october"), ("nov", "november"), ("dec", "december"),
        ),
        start=1,
    )
    for name in names
}  # fmt: skip
_TIME = r"(?:[ T,]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[ap]\.?m\.?)?)?"
_DAY_FIRST = re.compile(rf"(\d{{1,2}})[/.\-](\d{{1,2}})[/.\-](\d{{4}}|\d{{2}}){_TIME}", re.I | re.A)
_DAY_NAME = re.compile(
    rf"(\d{{1,2}})[ \-/.]?([a-z]{{3,9}})\.?[ \-/.,]*(\d{{4}}|\d{{2}}){_TIME}", re.I | re.A
)
_YEAR_FIRST = re.compile(rf"(\d{{4}})[/.](\d{{1,2}})[/.](\d{{1,2}}){_TIME}", re.I | re.A)


class Row(NamedTuple):
    """A row that names a TIP and its type; the rest is what the export promises of the record.

    A NamedTuple, not a dataclass: one is made for each of millions of rows, and it is written to
    the database column by column as it stands.
    """

    tip: str
    object_code: str
    expected_inspection_id: str | None
    expected_inspection_date: date | None
    expected_inspected_by: str | None
    expected_vehicle: str | None
    expected_team: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that cannot be taken, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Type:
    """Where one type's cells stand in this file; of several candidates the first filled counts."""

    object_type: ObjectType
    day: tuple[int, ...]
    inspected_by: tuple[int, ...]
    vehicle: tuple[int, ...]
    team: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file's header row says; `read` applies it to the rows below.

    `certain` is the type of every row that does not itself name one: the one asked for, or the only
    one the header names.
    """

    width: int
    ids: tuple[tuple[int, _Type], ...]  # the id columns: where they stand, and of which type
    certain: _Type | None
    asked: bool
    zone: tzinfo

    def read(self, cells: Sequence[str]) -> Row | Reject:
        """The TIP, type and previews of one row, or why it is rejected."""
        tip = cells[0].strip()
        if not (_NORMAL_TIP.fullmatch(tip) or tips.is_tip(tip)):
            if not tip:
                return Reject(reason="the TIP in column 1 is blank")
            return Reject(
                reason=f"{values.shown(tip)} is no TIP (1 to 64 printable characters without"
                " slash or white space)"
            )
        if len(cells) > self.width and any(cell.strip() for cell in cells[self.width :]):
            return Reject(
                reason=f"{len(cells)} cells under a header of {self.width}: is a value with the"
                " delimiter in it not quoted?"
            )
        found = self._type_of(cells)
        if isinstance(found, Reject):
            return found
        one, id_text = found
        day = _filled(cells, one.day)
        row = Row(
            tip,
            one.object_type.code,
            id_text,
            None if day is None else day_of(day, self.zone),
            _filled(cells, one.inspected_by),
            _filled(cells, one.vehicle),
            _filled(cells, one.team),
        )
        if "\x00" in "".join(cells) and any("\x00" in str(value) for value in row):
            return Reject(reason="a NUL character in the row, which the database cannot hold")
        return row

    def _type_of(self, cells: Sequence[str]) -> tuple[_Type, str | None] | Reject:
        """The type whose id column the row fills, with that id, else the type that is certain."""
        named, id_text = None, None
        for place, one in self.ids:
            text = cells[place].strip() if place < len(cells) else ""
            if not text or one is named:
                continue
            if named is not None:
                codes = f"{named.object_type.code} and {one.object_type.code}"
                return Reject(reason=f"the id columns of {codes} are both filled: which is it?")
            named, id_text = one, text
        if named is None:
            if self.certain is not None:
                return self.certain, None
            fields = ", ".join(dict.fromkeys(one.object_type.id_field for _, one in self.ids))
            return Reject(reason=f"no type: none of the id columns {fields} is filled")
        if self.asked and self.certain is not None and named is not self.certain:
            asked, found = self.certain.object_type.code, named.object_type.code
            return Reject(reason=f"the row is of type {found}, but {asked} was asked for")
        return named, id_text


def looks_like_tip(cell: str) -> bool:
    """True for a TIP in its normal form, 64 hex characters: enough to tell data from a header."""
    return _NORMAL_TIP.fullmatch(cell.strip()) is not None


def read_header(
    cells: Sequence[str],
    *,
    catalogue: Catalogue,
    zone: tzinfo,
    asked: ObjectType | None = None,
    sample: str = "",
) -> Header:
    """What the header row `cells` means; `sample` is column 1 of the first row below, if any.

    Column 1 is the TIP whatever its header says, unless the header says plainly that it is
    something else. The type comes from the id columns, or from `asked`.

    Raises: InputError naming what was found; the message reads on from the file's name.
    """
    names = [cell.strip() for cell in cells] or [""]
    if looks_like_tip(names[0]):
        raise errors.InputError(
            "has no header line: line 1 is a TIP already",
            remedy="put a line like nogginId,lcdInspectionId above the data",
        )
    found = [(index, catalogue.by_header(name)) for index, name in enumerate(names)]
    by_type = [one for _, one in found if one is not None]
    tip_only = asked is not None and len(names) == 1
    _check_first(names, catalogue, trusted=bool(by_type) or tip_only, sample=sample)
    if not by_type and asked is None:
        known = ", ".join(one.id_field for one in catalogue.types)
        raise errors.InputError(
            f"does not say what type its TIPs are: none of its columns ({_listed(names)}) is an id"
            f" column ({known})",
            remedy=f"name it with --type ({', '.join(catalogue.by_code)}), or, if the file lists"
            " names of vehicles, teams and the like, import it with --lookups KIND",
        )
    types = {one.code: _columns_of(one, names) for one in by_type}
    certain = next(iter(types.values())) if len(types) == 1 else None
    if asked is not None:
        certain = types.get(asked.code) or _columns_of(asked, names)
    return Header(
        width=len(names),
        ids=tuple((index, types[one.code]) for index, one in found if one is not None),
        certain=certain,
        asked=asked is not None,
        zone=zone,
    )


def _check_first(names: Sequence[str], catalogue: Catalogue, *, trusted: bool, sample: str) -> None:
    """Nothing, when column 1 may be the TIP. Raises: InputError.

    `trusted`: the rest of the header shows that this is an export, so an odd name will do.
    """
    first = names[0].casefold()
    if first in TIP_HEADERS or looks_like_tip(sample):
        return
    elsewhere = [name for name in names[1:] if name and name.casefold() in TIP_HEADERS]
    previews = {name.casefold() for one in catalogue.types for name in one.csv.preview}
    other = elsewhere or catalogue.by_header(names[0]) is not None or first in previews
    if trusted and not other and (not sample or tips.is_tip(sample.strip())):
        return
    where = f"column {names.index(elsewhere[0]) + 1} ({elsewhere[0]})" if elsewhere else "the TIP"
    raise errors.InputError(
        f"has no TIP column: column 1 is {values.shown(names[0])}, and the columns are"
        f" {_listed(names)}",
        remedy=f"export it with the TIP (nogginId) as column 1, or move {where} there",
    )


def _columns_of(one: ObjectType, names: Sequence[str]) -> _Type:
    """Where the cells of type `one` stand under the header `names`."""
    targets = {header.strip().casefold(): column for header, column in one.csv.preview.items()}
    places: dict[str, list[int]] = {}
    for index, name in enumerate(names[1:], start=1):
        column = targets.get(name.casefold())
        if column is not None:
            places.setdefault(column, []).append(index)
    return _Type(
        object_type=one,
        day=tuple(places.get("expected_inspection_date", ())),
        inspected_by=tuple(places.get("expected_inspected_by", ())),
        vehicle=tuple(places.get("expected_vehicle", ())),
        team=tuple(places.get("expected_team", ())),
    )


def _filled(cells: Sequence[str], places: tuple[int, ...]) -> str | None:
    """The first of the cells at `places` that is there and not blank."""
    for place in places:
        if place < len(cells):
            text = cells[place].strip()
            if text:
                return text
    return None


def _listed(names: Sequence[str], limit: int = 12) -> str:
    shown = ", ".join(name or "(blank)" for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


@functools.lru_cache(maxsize=4096)
def day_of(text: str, zone: tzinfo) -> date | None:
    """The day a preview means, or None when it cannot be read: a preview is no reason to reject.

    Reads ISO dates and times (an offset is converted to `zone`), `23-Oct-25`, `23 Oct 2025`,
    `23/10/2025` (day first) and `2025/10/23`, with or without a time after them. Two-digit years
    are of this century.
    """
    word = " ".join(text.split())
    try:
        if match := _DAY_FIRST.fullmatch(word):
            return _day(match[3], int(match[2]), match[1])
        if match := _DAY_NAME.fullmatch(word):
            return _day(match[3], _MONTHS[match[2].lower()], match[1])
        if match := _YEAR_FIRST.fullmatch(word):
            return _day(match[1], int(match[2]), match[3])
        return values.local_day(word, zone=zone)
    except (ValueError, KeyError):
        return None


def _day(year: str, month: int, day: str) -> date | None:
    number = int(year) + (2000 if len(year) == 2 else 0)
    if not values.FIRST_YEAR <= number <= values.LAST_YEAR:
        return None
    return date(number, month, int(day))
