"""Object types from YAML: one file each, every fault reported at once with file and line."""

import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from noggin_mp import resources
from noggin_mp.domain import columns, errors
from noggin_mp.domain.columns import Holds
from noggin_mp.domain.object_types import (
    COMPUTED_LINES,
    Catalogue,
    Compliance,
    Csv,
    Field,
    Kind,
    ObjectType,
    Text,
)
from noggin_mp.settings import document, nodes

DEFAULT_TEMPLATE = "inspection.txt.j2"
MAX_LABEL_CHARS = 21
"""The label, its colon and one space fill the 23 characters before a value."""

_KEYS = ("code", "name", "endpoint", "id", "date", "fields", "compliance", "csv", "text")
_REQUIRED = ("code", "name", "endpoint", "id", "date", "fields")
_CODE = re.compile(r"[A-Z][A-Z0-9]{0,11}")
_ENDPOINT = re.compile(r"[A-Za-z0-9_-]+")
_STUB = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_ENTITY = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TEMPLATE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.j2")
_HOLDS = {
    Kind.ID: (Holds.TEXT,),
    Kind.TEXT: (Holds.TEXT, Holds.NAME),
    Kind.HTML: (Holds.TEXT,),
    Kind.CHOICE: (Holds.TEXT,),
    Kind.BOOL: (Holds.BOOLEAN,),
    Kind.NUMBER: (Holds.INTEGER, Holds.TEXT),
    Kind.HASH: (Holds.NAME,),
}
"""Which columns a kind may fill; kinds that are missing fill none (the date has its own)."""


def default_folder() -> Path:
    """The folder of the shipped types."""
    return resources.folder("config") / "object_types"


def load(folder: Path | None = None) -> Catalogue:
    """The types of every `*.yaml` in `folder` (default: the shipped ones), by file name.

    Raises: ConfigError with every fault of every file.
    """
    place = folder or default_folder()
    try:
        files = sorted(
            path
            for path in place.iterdir()
            if path.suffix in (".yaml", ".yml") and not path.name.startswith(".")
        )
    except OSError as error:
        raise errors.ConfigError(
            f"the folder of object types {place} cannot be read: {error.strerror}",
            remedy="correct object_types in the configuration",
        ) from error
    if not files:
        raise errors.ConfigError(
            f"{place} holds no object type (*.yaml)",
            remedy="correct object_types in the configuration, or leave it out",
        )
    problems: list[errors.Problem] = []
    read = [(path, _read(path, problems)) for path in files]
    types = [(path, one) for path, one in read if one is not None]
    problems += _clashes(types)
    if problems:
        first = str(problems[0]).partition("\n")[0]
        raise errors.ConfigError(
            f"the object types in {place} have {len(problems)} fault(s): {first}",
            remedy="correct what each fault names",
            problems=tuple(problems),
        )
    return Catalogue(types=tuple(one for _, one in types))


def _read(path: Path, problems: list[errors.Problem]) -> ObjectType | None:
    """The type in one file, or None with its faults added to `problems`."""
    text = document.text_of(path, name=str(path))
    node = text if not isinstance(text, str) else document.composed(text, name=str(path))
    if isinstance(node, errors.Problem):
        problems.append(node)
        return None
    reader = _Reader(file=str(path))
    found = reader.object_type(node)
    problems += sorted(reader.problems, key=lambda one: (one.line or 0, one.column or 0))
    return None if reader.problems else found


def _clashes(types: Iterable[tuple[Path, ObjectType]]) -> list[errors.Problem]:
    """What two files both claim, so that a record's or an export's type would be in doubt."""
    owners: dict[tuple[str, str], Path] = {}
    problems = []
    for path, one in types:
        claims = [("code or name", one.code), ("code or name", one.name)]
        claims += [("csv id column", header) for header in one.csv.id_columns]
        for what, text in claims:
            owner = owners.setdefault((what, text.casefold()), path)
            if owner != path:
                message = f"the {what} {text!r} belongs to {owner.name} already"
                problems.append(errors.Problem(file=str(path), message=message))
    return problems


class _Reader(nodes.Reader):
    """Makes an object type of one file's nodes."""

    def object_type(self, node: yaml.Node | None) -> ObjectType | None:
        """The type, or None when a required part is missing or wrong."""
        if node is None:
            self.problems.append(
                errors.Problem(file=self.file, line=1, message="the file is empty")
            )
            return None
        top = self.mapping(node, "an object type", known=_KEYS, required=_REQUIRED)
        if not all(key in top for key in _REQUIRED):
            return None
        code = self.word(top["code"], _CODE, "code", "capitals and digits, such as LCD")
        fields, places = self.fields(top["fields"])
        id_field, id_column, prefix, digits = self.id_part(top["id"], fields, places)
        date_field = self.text(top["date"])
        self.expect(top["date"], date_field, fields, Kind.DATE)
        if id_field in fields:
            fields[id_field] = Field(name=id_field, kind=Kind.ID, column=id_column)
        name = self.text(top["name"])
        return ObjectType(
            code=code,
            name=name,
            endpoint=self.word(top["endpoint"], _ENDPOINT, "endpoint", "one part of a path"),
            id_field=id_field,
            id_column=id_column,
            id_prefix=prefix,
            id_digits=digits,
            date_field=date_field,
            fields=tuple(fields.values()),
            compliance=self.compliance(top.get("compliance"), fields),
            csv=self.csv(top.get("csv"), id_field),
            text=self.text_part(top.get("text"), fields, name=name),
        )

    def id_part(
        self, node: yaml.Node, fields: dict[str, Field], places: dict[str, yaml.Node]
    ) -> tuple[str, str | None, str, int]:
        """Field, column, prefix and digits of the inspection id."""
        known = ("field", "column", "prefix", "digits")
        part = self.mapping(node, "id", known=known, required=("field",))
        if "field" not in part:
            return "", None, "", 0
        name = self.text(part["field"])
        self.expect(part["field"], name, fields, Kind.ID)
        for one in fields.values():
            if one.kind is Kind.ID and one.name != name:
                self.fault(places[one.name], f"{one.name} is of kind id, but the id is {name}")
        column = self.column(part["column"], Kind.ID) if "column" in part else None
        if column is not None and any(one.column == column for one in fields.values()):
            self.fault(part["column"], f"the column {column} is filled by a field already")
        digits = self.text(part["digits"]) if "digits" in part else "0"
        if not digits.isdecimal():
            self.fault(part["digits"], f"digits is a number, not {digits!r}")
            digits = "0"
        prefix = self.text(part["prefix"], empty=True) if "prefix" in part else ""
        return name, column, prefix, int(digits)

    def fields(self, node: yaml.Node) -> tuple[dict[str, Field], dict[str, yaml.Node]]:
        """Every field by its name, and the node that names it."""
        fields: dict[str, Field] = {}
        places: dict[str, yaml.Node] = {}
        owners: dict[str, str] = {}
        for name, value in self.mapping(node, "fields").items():
            one = self.one_field(name, value)
            if one is None:
                continue
            fields[name], places[name] = one, value
            if one.column is not None and owners.setdefault(one.column, name) != name:
                owner = owners[one.column]
                self.fault(value, f"the column {one.column} is filled by {owner} already")
        return fields, places

    def one_field(self, name: str, node: yaml.Node) -> Field | None:
        """One field, given as a kind alone or as a mapping."""
        if isinstance(node, yaml.ScalarNode):
            part: dict[str, yaml.Node] = {"kind": node}
        else:
            known = ("kind", "column", "entity", "stub")
            part = self.mapping(node, name, known=known, required=("kind",))
        kind = self.kind(part["kind"]) if "kind" in part else None
        if kind is None:
            return None
        entity = stub = None
        hashed = kind in (Kind.HASH, Kind.HASH_LIST)
        if "entity" in part:
            entity = self.word(part["entity"], _ENTITY, "entity", "lower case, such as vehicle")
        if hashed != (entity is not None):
            needs = "needs" if hashed else "takes no"
            self.fault(node, f"{name} is of kind {kind}, which {needs} entity")
        if "stub" in part:
            stub = self.word(part["stub"], _STUB, "stub", "lower case, as in file names")
            if kind is not Kind.FILES:
                self.fault(part["stub"], f"{name} is of kind {kind}, which takes no stub")
        column = self.column(part["column"], kind) if "column" in part else None
        if column is not None and kind is Kind.ID:
            self.fault(part["column"], f"the column of {name} is given under id")
        return Field(name=name, kind=kind, column=column, entity=entity, stub=stub)

    def kind(self, node: yaml.Node) -> Kind | None:
        text = self.text(node)
        if text in set(Kind):
            return Kind(text)
        remedy = nodes.did_you_mean(text, Kind) or f"the kinds are {', '.join(Kind)}"
        self.fault(node, f"no field is of kind {text!r}", remedy)
        return None

    def column(self, node: yaml.Node, kind: Kind) -> str | None:
        """The column named by `node`, when noggin_data has it and it takes the kind."""
        text = self.text(node)
        holds = columns.MAPPABLE.get(text)
        if holds is None:
            remedy = nodes.did_you_mean(text, columns.MAPPABLE)
            remedy = remedy or f"the columns are {', '.join(columns.MAPPABLE)}"
            self.fault(node, f"noggin_data has no column {text!r} for a field", remedy)
        elif holds not in _HOLDS.get(kind, ()):
            self.fault(node, f"the column {text} takes {holds}, which kind {kind} does not give")
        else:
            return text
        return None

    def compliance(self, node: yaml.Node | None, fields: dict[str, Field]) -> Compliance | None:
        if node is None:
            return None
        known = ("compliant", "not_compliant", "reason")
        part = self.mapping(node, "compliance", known=known, required=known[:2])
        names = {key: self.text(value) for key, value in part.items()}
        for key, name in names.items():
            kinds = (Kind.TEXT, Kind.HTML) if key == "reason" else (Kind.BOOL,)
            self.expect(part[key], name, fields, *kinds)
        if not all(key in names for key in known[:2]):
            return None
        return Compliance(
            compliant=names["compliant"],
            not_compliant=names["not_compliant"],
            reason=names.get("reason"),
        )

    def csv(self, node: yaml.Node | None, id_field: str) -> Csv:
        part = self.mapping(node, "csv", known=("id_columns", "preview")) if node else {}
        headers = self.items(part["id_columns"]) if "id_columns" in part else [id_field]
        preview = {}
        for header, value in (
            self.mapping(part["preview"], "preview") if "preview" in part else {}
        ).items():
            preview[header] = self.text(value)
            if preview[header] not in columns.EXPECTED:
                remedy = f"the columns are {', '.join(columns.EXPECTED)}"
                self.fault(value, f"no preview is kept in {preview[header]!r}", remedy)
        return Csv(id_columns=tuple(headers), preview=preview)

    def text_part(self, node: yaml.Node | None, fields: dict[str, Field], *, name: str) -> Text:
        known = ("title", "template", "lines")
        part = self.mapping(node, "text", known=known) if node else {}
        title = self.text(part["title"]) if "title" in part else name.upper()
        template = DEFAULT_TEMPLATE
        if "template" in part:
            template = self.word(
                part["template"], _TEMPLATE, "template", "a file name ending in .j2"
            )
        lines = []
        for label, value in (
            self.mapping(part["lines"], "lines") if "lines" in part else {}
        ).items():
            source = self.text(value)
            if source not in COMPUTED_LINES:
                self.expect(value, source, fields)
            if len(label) > MAX_LABEL_CHARS:
                self.fault(
                    value, f"the label {label!r} is longer than {MAX_LABEL_CHARS} characters"
                )
            lines.append((label, source))
        return Text(title=title, template=template, lines=tuple(lines))

    def expect(self, node: yaml.Node, name: str, fields: dict[str, Field], *kinds: Kind) -> None:
        """A fault unless `name` is a field of one of `kinds` (of any kind when none is given)."""
        one = fields.get(name)
        if one is None:
            remedy = nodes.did_you_mean(name, fields) or "add it to fields"
            self.fault(node, f"{name!r} is not among the fields", remedy)
        elif kinds and one.kind not in kinds:
            self.fault(node, f"{name} must be of kind {' or '.join(kinds)}, not {one.kind}")
