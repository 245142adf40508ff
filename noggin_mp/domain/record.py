"""A fetched body becomes a record: columns, hashes to resolve, attachments; then names come in.

`Any` stops here: a body is read as `object` and every value is checked before it leaves.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import ClassVar, TypeVar

from noggin_mp.domain import attachments as attachments_
from noggin_mp.domain import columns as columns_
from noggin_mp.domain import errors, storable, values
from noggin_mp.domain.attachments import AttachmentRef, BadAttachment
from noggin_mp.domain.columns import Holds
from noggin_mp.domain.object_types import Compliance, Field, Kind, ObjectType
from noggin_mp.domain.tip import Tip

T = TypeVar("T")

MAX_REFERENCE_CHARS = 200
"""An id beyond this is no id; Postgres could not index it."""

COMPLIANT, NOT_COMPLIANT = "Compliant", "Not compliant"


class BadRecord(errors.NogginError):
    """The API answered 200, but the body is not the record that was asked for.

    `reason` is a fixed slug: not_object, nul, surrogate, number, too_deep, wrong_tip.
    """

    exit_code, code = 1, "record.bad"
    actor: ClassVar[errors.Actor] = "remote"

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class HashField:
    """One hash of a record. `column` is None when noggin_data has no column for its name."""

    field: str
    column: str | None
    hash_column: str | None
    entity_type: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRecord:
    """A record before its hashes are resolved.

    `columns` has every name of columns.RECORD (names of hashes still None); `hashes` holds those
    worth looking up; `notes` says what did not fit its column, one sentence each.
    """

    tip: Tip
    type_: ObjectType
    columns: Mapping[str, object]
    reference: str | None
    inspection_date: date | None
    hashes: tuple[HashField, ...]
    attachments: tuple[AttachmentRef, ...]
    bad_attachments: tuple[BadAttachment, ...]
    too_many: int
    notes: tuple[str, ...]
    payload: Mapping[str, object] = field(repr=False)

    @property
    def hash_values(self) -> tuple[str, ...]:
        """The distinct hashes to look up."""
        return tuple(dict.fromkeys(one.value for one in self.hashes))

    @property
    def total_attachments(self) -> int:
        """Every distinct attachment, those that cannot be fetched included."""
        return len(self.attachments) + len(self.bad_attachments) + self.too_many


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What is written: all columns of columns.RECORD, object_type, object_code and payload.

    `unknown` holds (entity_type, hash) pairs without a name; `names` the hashes that have one.
    """

    columns: dict[str, object]
    unknown: tuple[tuple[str, str], ...]
    names: Mapping[str, str]


def parse(
    body: object, *, type_: ObjectType, tip: Tip, zone: tzinfo, max_attachments: int = 500
) -> ParsedRecord:
    """The record in `body`, with inspection_date as the local day in `zone`.

    A value that does not fit its column becomes NULL with a note and stays in the payload; only
    what cannot be stored or is another object's record is refused. A body without `$meta` is
    taken, with a note. Raises: BadRecord.
    """
    if not isinstance(body, dict):
        raise BadRecord("not_object", f"the body is no JSON object but {type(body).__name__}")
    trouble = storable.trouble(body)
    if trouble is not None:
        raise BadRecord(*trouble)
    reader = _Reader(body=body, type_=type_, zone=zone)
    reader.read_meta(tip)
    for one in type_.read_fields:
        value = body.get(one.name)
        if value is not None:
            reader.read_field(one, value)
    reader.columns["load_compliance"] = reader.compliance(type_.compliance)
    files = attachments_.collect(body, type_=type_, limit=max_attachments)
    return ParsedRecord(
        tip=tip,
        type_=type_,
        columns=reader.columns,
        reference=reader.reference,
        inspection_date=reader.day,
        hashes=tuple(reader.hashes),
        attachments=files.usable,
        bad_attachments=files.bad,
        too_many=files.too_many,
        notes=tuple(reader.notes),
        payload=body,
    )


def resolve(parsed: ParsedRecord, names: Mapping[str, str]) -> Resolved:
    """The columns with the names that `names` (hash -> name) knows; the others are unknown."""
    columns = dict(parsed.columns)
    unknown: dict[tuple[str, str], None] = {}
    known: dict[str, str] = {}
    for one in parsed.hashes:
        name = names.get(one.value)
        if name:
            known[one.value] = name
            if one.column is not None:
                columns[one.column] = name
        else:
            unknown[one.entity_type, one.value] = None
    columns["has_unknown_hashes"] = bool(unknown)
    columns["object_type"] = parsed.type_.name
    columns["object_code"] = parsed.type_.code
    columns["payload"] = parsed.payload
    return Resolved(columns=columns, unknown=tuple(unknown), names=known)


_COERCE: Mapping[Holds, Callable[[object], object]] = {
    Holds.TEXT: values.text,
    Holds.NAME: values.text,
    Holds.INTEGER: values.integer,
    Holds.BOOLEAN: values.boolean,
}


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Gathers what one body gives, field by field."""

    body: Mapping[str, object]
    type_: ObjectType
    zone: tzinfo
    columns: dict[str, object] = field(default_factory=lambda: dict.fromkeys(columns_.RECORD))
    hashes: list[HashField] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reference: str | None = None
    day: date | None = None

    def read_meta(self, tip: Tip) -> None:
        """`$meta` into the api_meta_* columns. Raises: BadRecord when it names another TIP."""
        meta = self.body.get("$meta")
        if not isinstance(meta, dict):
            self.notes.append("the body has no $meta, so nothing proves which object it is")
            return
        given = meta.get("tip")
        if given is None:
            self.notes.append("$meta has no tip, so nothing proves which object it is")
        elif given != tip:
            raise BadRecord("wrong_tip", f"$meta names the tip {values.shown(given)}, not {tip!r}")
        for key, column in columns_.META.items():
            value = meta.get(key)
            if value is not None:
                self.columns[column] = self.meta_value(key, value)

    def meta_value(self, key: str, value: object) -> object:
        """One value of `$meta` as its column holds it."""
        if key in ("createdDate", "modifiedDate"):
            return self.fit(f"$meta.{key}", values.moment, value)
        if key == "parent":
            items = value if isinstance(value, list) else [value]
            return [text for item in items if (text := values.text(item)) is not None]
        return value if key == "errors" else values.text(value)

    def read_field(self, one: Field, value: object) -> None:
        """One present field into its column, or among the hashes."""
        if one.kind is Kind.ID:
            self.read_id(one, value)
        elif one.kind is Kind.HASH:
            self.read_hash(one, value)
        elif one.kind is Kind.HASH_LIST:
            self.read_hashes(one, value)
        elif one.name == self.type_.date_field:
            local_day = functools.partial(values.local_day, zone=self.zone)
            self.day = self.fit(one.name, local_day, value)
            self.columns["inspection_date"] = self.day
        elif one.column is not None:
            coerce = _COERCE[columns_.MAPPABLE[one.column]]
            self.columns[one.column] = self.fit(one.name, coerce, value)

    def read_id(self, one: Field, value: object) -> None:
        """The inspection id, without outer white space."""
        text = (values.text(value) or "").strip()
        if len(text) > MAX_REFERENCE_CHARS:
            self.notes.append(f"{one.name}: {values.shown(text)} is too long for an id")
        elif text:
            self.reference = text
            self.columns["noggin_reference"] = text
            if one.column is not None:
                self.columns[one.column] = text

    def read_hash(self, one: Field, value: object) -> None:
        """A hash to look up, or plain text where the API gives a name outright."""
        found = values.hash_of(value)
        if found is None:
            if one.column is not None:
                self.columns[one.column] = values.text(value)
            return
        hash_column = columns_.hash_column(one.column) if one.column is not None else None
        if hash_column is not None:
            self.columns[hash_column] = found
        if one.looked_up:
            self.add_hash(one, found, hash_column)

    def read_hashes(self, one: Field, value: object) -> None:
        """Every hash of a list; what else it holds stays in the payload."""
        for item in value if isinstance(value, list) else [value]:
            found = values.hash_of(item)
            if found is not None:
                self.add_hash(one, found, None)

    def add_hash(self, one: Field, found: str, hash_column: str | None) -> None:
        self.hashes.append(
            HashField(
                field=one.name,
                column=one.column,
                hash_column=hash_column,
                entity_type=one.entity or "unknown",
                value=found,
            )
        )

    def compliance(self, pair: Compliance | None) -> str | None:
        """What the pair of booleans says; None when neither or both are ticked."""
        if pair is None:
            return None
        yes, no = (self.ticked(name) for name in (pair.compliant, pair.not_compliant))
        if yes and no:
            self.notes.append(f"{pair.compliant} and {pair.not_compliant} are both ticked")
            return None
        if yes:
            return COMPLIANT
        return NOT_COMPLIANT if no else None

    def ticked(self, name: str) -> bool:
        """True when the boolean called `name` is there and true."""
        value = self.body.get(name)
        return value is not None and bool(self.fit(name, values.boolean, value))

    def fit(self, name: str, coerce: Callable[[object], T | None], value: object) -> T | None:
        """`value` coerced, or None and a note when it does not fit."""
        try:
            return coerce(value)
        except values.Unfit as error:
            self.notes.append(f"{name}: {error}")
            return None
