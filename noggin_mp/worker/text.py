"""The inspection text: what a person reads beside the photos, with names in place of hashes.

It follows from the record, the known names and the date alone, so that it can be written again
when a name becomes known, without asking the API.
"""

import functools
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import jinja2

from noggin_mp import resources
from noggin_mp.domain import errors, values
from noggin_mp.domain.object_types import Field, Kind, ObjectType
from noggin_mp.domain.record import ParsedRecord, Resolved

LABEL_WIDTH = 23
_INDENT = "\n" + " " * LABEL_WIDTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One label and its value; further lines of the value are indented already."""

    label: str
    value: str


def render(
    parsed: ParsedRecord, resolved: Resolved, *, generated: date, templates: Path | None = None
) -> str:
    """The text of one record, generated on the day `generated` (the local day).

    Fields without a value have no line. `templates` is the folder of the template that the object
    type names (default: the shipped one). Raises: ConfigError when the template is missing or bad.
    """
    type_ = parsed.type_
    folder = templates or resources.folder("config") / "templates"
    try:
        return (
            _environment(folder)
            .get_template(type_.text.template)
            .render(
                title=type_.text.title,
                generated=f"{generated:%d-%m-%Y}",
                lines=lines(parsed, resolved),
                payload=json.dumps(parsed.payload, indent=2, ensure_ascii=False, sort_keys=True),
                type=type_,
                tip=parsed.tip,
            )
        )
    except jinja2.TemplateError as error:
        raise errors.ConfigError(
            f"the text template {type_.text.template} of {type_.code} in {folder} fails: {error}",
            remedy="correct the template, or text.template of the object type",
        ) from error


def lines(parsed: ParsedRecord, resolved: Resolved) -> list[Line]:
    """The lines of the type's text that have a value, in order."""
    found = []
    fields = {one.name: one for one in parsed.type_.fields}
    for label, source in parsed.type_.text.lines:
        if source.startswith("$"):
            value = _computed(source, parsed, resolved)
        else:
            value = _value(fields[source], parsed, resolved)
        if value:
            indented = _INDENT.join(value.splitlines())
            found.append(Line(label=label, value=indented))
    return found


def _computed(source: str, parsed: ParsedRecord, resolved: Resolved) -> str | None:
    if source == "$attachments":
        return str(parsed.total_attachments)
    if source == "$tip":
        return parsed.tip
    if source == "$compliance":
        return values.text(resolved.columns["load_compliance"])
    return _reason(parsed.type_, parsed)


def _reason(type_: ObjectType, parsed: ParsedRecord) -> str | None:
    """Why a load does not comply, as the person wrote it."""
    name = type_.compliance.reason if type_.compliance is not None else None
    text = values.text(parsed.payload.get(name)) if name is not None else None
    return values.plain(text) if text is not None else None


def _value(one: Field, parsed: ParsedRecord, resolved: Resolved) -> str | None:
    """A field as a person reads it, or None when the record does not have it."""
    given = parsed.payload.get(one.name)
    if one.kind is Kind.ID:
        return parsed.reference or "Unknown"
    if one.name == parsed.type_.date_field:
        day = parsed.inspection_date
        return f"{day:%d-%m-%Y}" if day is not None else values.text(given) or "Unknown"
    if given is None:
        return None
    if one.kind is Kind.HASH:
        return _named(given, one, resolved)
    if one.kind is Kind.HASH_LIST:
        items = given if isinstance(given, list) else [given]
        return ", ".join(text for item in items if (text := _named(item, one, resolved)))
    if one.kind is Kind.FILES:
        return str(len(given) if isinstance(given, list) else 1)
    text = values.text(given)
    if one.kind is Kind.BOOL:
        return _yes_no(given) or text
    return values.plain(text) if text is not None and one.kind is Kind.HTML else text


def _yes_no(given: object) -> str | None:
    try:
        return values.text(values.boolean(given))
    except values.Unfit:
        return None


def _named(given: object, one: Field, resolved: Resolved) -> str | None:
    """The name of what a hash names; plain text and hashes that have no names are shown as such."""
    found = values.hash_of(given)
    if found is None or not one.looked_up:
        return values.text(given)
    known = resolved.names.get(found)
    entity = (one.entity or "object").replace("_", " ")
    return known or f"Unknown {entity} (hash: {found})"


@functools.lru_cache(maxsize=4)
def _environment(folder: Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  plain text, not HTML
    )
