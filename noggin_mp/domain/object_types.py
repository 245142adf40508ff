"""What an object type is: where its records come from and what each of their fields means.

The values are read from YAML (settings/object_types.py); nothing here knows a particular type.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a field of a record holds; the values are the words used in YAML."""

    ID = "id"
    DATE = "date"
    TEXT = "text"
    HTML = "html"
    CHOICE = "choice"
    BOOL = "bool"
    NUMBER = "number"
    HASH = "hash"  # 64 hex naming another object
    HASH_LIST = "hash_list"
    FILES = "files"  # a list of media URLs: attachments


NOT_LOOKED_UP = frozenset({"action"})
"""Entity kinds that are objects of their own, with no name to look up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One key of a record's body. `column` is None for what stays in the payload only."""

    name: str
    kind: Kind
    column: str | None = None
    entity: str | None = None  # of hash and hash_list: vehicle, trailer, person...
    stub: str | None = None  # of files: goes into file names

    @property
    def looked_up(self) -> bool:
        """True when its hashes have names, so that an unknown one is worth recording."""
        return self.entity is not None and self.entity not in NOT_LOOKED_UP


@dataclass(frozen=True, slots=True, kw_only=True)
class Compliance:
    """The pair of booleans that becomes load_compliance, and the field that gives the reason."""

    compliant: str
    not_compliant: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Csv:
    """How to know the type's CSV export, and which of its columns are kept.

    `id_columns` are headers (compared without case) that name the type; `preview` maps a header to
    an expected_* column of noggin_data.
    """

    id_columns: tuple[str, ...]
    preview: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The inspection text: title, template, and (label, field) lines in order.

    In place of a field, `$compliance`, `$reason`, `$attachments` and `$tip` are computed.
    """

    title: str
    template: str
    lines: tuple[tuple[str, str], ...]


COMPUTED_LINES = ("$compliance", "$reason", "$attachments", "$tip")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectType:
    """One type of inspection."""

    code: str
    name: str
    endpoint: str  # the part of the path between /rest/object/ and the TIP
    id_field: str
    id_column: str | None  # beside noggin_reference, which every type fills
    id_prefix: str
    id_digits: int
    date_field: str
    fields: tuple[Field, ...]
    compliance: Compliance | None
    csv: Csv
    text: Text

    read_fields: tuple[Field, ...] = field(init=False, repr=False, compare=False)
    """The fields that fill a column or hold hashes to look up."""
    file_fields: tuple[Field, ...] = field(init=False, repr=False, compare=False)
    """The attachment fields, in the order in which their files are numbered."""

    def __post_init__(self) -> None:
        assign = object.__setattr__  # frozen: both follow from fields and never change
        assign(self, "read_fields", tuple(one for one in self.fields if self._is_read(one)))
        files = tuple(one for one in self.fields if one.kind is Kind.FILES)
        assign(self, "file_fields", files)

    def _is_read(self, one: Field) -> bool:
        return (
            one.kind in (Kind.ID, Kind.HASH)
            or one.name == self.date_field
            or one.column is not None
            or (one.kind is Kind.HASH_LIST and one.looked_up)
        )

    @property
    def hash_fields(self) -> tuple[Field, ...]:
        """The fields that name other objects, single or in lists."""
        return tuple(one for one in self.fields if one.kind in (Kind.HASH, Kind.HASH_LIST))

    def field_named(self, name: str) -> Field | None:
        """The field called `name`, or None."""
        return next((one for one in self.fields if one.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All configured types, in the order of their files."""

    types: tuple[ObjectType, ...]
    by_code: Mapping[str, ObjectType] = field(init=False, repr=False)
    by_name: Mapping[str, ObjectType] = field(init=False, repr=False)
    _folded: Mapping[str, ObjectType] = field(init=False, repr=False)
    _headers: Mapping[str, ObjectType] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        assign = object.__setattr__  # frozen: the indexes follow from types and never change
        assign(self, "by_code", {one.code: one for one in self.types})
        assign(self, "by_name", {one.name: one for one in self.types})
        folded = {one.name.casefold(): one for one in self.types}
        assign(self, "_folded", folded | {one.code.casefold(): one for one in self.types})
        headers = {name.casefold(): one for one in self.types for name in one.csv.id_columns}
        assign(self, "_headers", headers)

    def find(self, object_code: str | None, object_type: str | None = None) -> ObjectType | None:
        """The type a row of noggin_data belongs to: by its code, else by its name or code.

        Case and outer white space do not matter. None when no configured type fits.
        """
        for text in (object_code, object_type):
            found = self._folded.get(text.strip().casefold()) if text else None
            if found is not None:
                return found
        return None

    def by_header(self, header: str) -> ObjectType | None:
        """The type whose CSV export has `header` as its id column (without case), or None."""
        return self._headers.get(header.strip().casefold())


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case(name: str) -> str:
    """`noOfStraps` as `no_of_straps`: how views call a field without a column of its own."""
    words = re.sub(r"[^A-Za-z0-9]+", "_", _HUMP.sub("_", name)).strip("_").lower()
    return words if words[:1].isalpha() else f"field_{words}".rstrip("_")
