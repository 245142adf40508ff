"""What a CSV of names says: which hash is called what. Three forms of export are understood."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from noggin_mp.domain import errors, rows, values
from noggin_mp.domain import tip as tips

HASH_HEADERS = ("hash", "hash_value", "tip_hash", "tip", "nogginid", "noggin_id")
NAME_HEADERS = ("name", "value", "resolved_value", "entity_name", "assetname", "sitename")


class Lookup(NamedTuple):
    """One hash and its name; `entity` is the kind of object it names."""

    hash_value: str
    entity: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Where hash and name stand in a file of names of one kind."""

    kind: str
    hash_at: int
    name_at: int

    def read(self, cells: Sequence[str]) -> Lookup | rows.Reject:
        """The hash and name of one row, or why it is rejected."""
        given = cells[self.hash_at].strip() if self.hash_at < len(cells) else ""
        name = cells[self.name_at].strip() if self.name_at < len(cells) else ""
        if not tips.is_tip(given):
            what = f"{values.shown(given)} is no hash" if given else "the hash is blank"
            return rows.Reject(reason=what)
        if not name:
            return rows.Reject(reason="the name is blank")
        if "\x00" in name:
            return rows.Reject(reason="a NUL character in the name, which the database cannot hold")
        return Lookup(values.hash_of(given) or given, self.kind, name)


def read_header(cells: Sequence[str], *, kind: str) -> Header:
    """Where hash and name stand, by the names in the header row.

    Raises: InputError naming what was found; the message reads on from the file's name.
    """
    names = [cell.strip().casefold() for cell in cells]
    hash_at, name_at = _place(names, HASH_HEADERS), _place(names, NAME_HEADERS)
    if hash_at is None or name_at is None or hash_at == name_at:
        missing = "hash" if hash_at is None else "name"
        listed = ", ".join(cell.strip() or "(blank)" for cell in cells[:12])
        if names and rows.looks_like_tip(names[0]):
            message = "has no header line: line 1 is a hash already"
        else:
            message = f"has no {missing} column; its columns are {listed}"
        raise errors.InputError(
            message,
            remedy="give it a header such as hash,name or TIP,VALUE or tip_hash,resolved_value or"
            " nogginId,assetName,assetType or nogginId,siteName,goldstarId,siteType",
        )
    return Header(kind=kind, hash_at=hash_at, name_at=name_at)


def _place(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((names.index(one) for one in wanted if one in names), None)
