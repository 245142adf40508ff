"""The SQL of the views that show each object type's fields as columns, generated from the type.

A field with a column of its own is shown under that column's name, any other under its own name in
snake case, read from the payload when the view is queried. A payload value of the wrong kind reads
as NULL and never fails a query.
"""

from collections.abc import Iterable

from noggin_mp.domain import columns, names, object_types
from noggin_mp.domain.columns import Holds
from noggin_mp.domain.object_types import Field, Kind, ObjectType

MAX_IDENTIFIER_BYTES = 63
"""Source: NAMEDATALEN - 1 of a stock Postgres; longer names would be cut without a word."""

_BEFORE = ("tip", "noggin_reference", "inspection_date")
_AFTER = (
    "processing_status",
    "permanently_failed",
    "has_unknown_hashes",
    "total_attachments",
    "completed_attachment_count",
    "all_attachments_complete",
    "api_meta_created_date",
    "api_meta_modified_date",
    "created_at",
    "updated_at",
)

HELPERS = """\
CREATE OR REPLACE FUNCTION payload_boolean(payload jsonb, field text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE lower(btrim(payload ->> field))
    WHEN 'true' THEN true WHEN 'yes' THEN true WHEN 'y' THEN true WHEN '1' THEN true
    WHEN 'false' THEN false WHEN 'no' THEN false WHEN 'n' THEN false WHEN '0' THEN false END;
COMMENT ON FUNCTION payload_boolean IS 'A field of a record as a boolean; NULL when it is none.';

CREATE OR REPLACE FUNCTION payload_number(payload jsonb, field text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN payload ->> field ~ '^\\s*[+-]?[0-9]{1,60}([.][0-9]{0,60})?\\s*$'
    THEN (payload ->> field)::numeric END;
COMMENT ON FUNCTION payload_number IS 'A field of a record as a number; NULL when it is none.';

CREATE OR REPLACE FUNCTION payload_hash(payload jsonb, field text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN payload ->> field ~* '^[0-9a-f]{64}$' THEN lower(payload ->> field) END;
COMMENT ON FUNCTION payload_hash IS 'The hash in a field of a record; NULL when it is text.';

CREATE OR REPLACE FUNCTION payload_name(payload jsonb, field text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN payload_hash(payload, field) IS NULL THEN payload ->> field
    ELSE (SELECT e.entity_name FROM entity_hashes e
          WHERE e.hash_value = payload_hash(payload, field)) END;
COMMENT ON FUNCTION payload_name IS
    'The name of the object that a field names, as known now; NULL when it is unknown.';

CREATE OR REPLACE FUNCTION payload_names(payload jsonb, field text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT string_agg(coalesce(e.entity_name, item.value), ', ' ORDER BY item.ordinality)
    FROM jsonb_array_elements_text(
        CASE WHEN jsonb_typeof(payload -> field) = 'array' THEN payload -> field ELSE '[]' END
    ) WITH ORDINALITY AS item (value, ordinality)
    LEFT JOIN entity_hashes e ON e.hash_value = lower(item.value));
COMMENT ON FUNCTION payload_names IS
    'The names of the objects that a list names, as known now; an unknown one shows its hash.';
"""
"""Functions the views read the payload with; bound when created, whatever the search_path later."""


def view_name(type_: ObjectType) -> str:
    """`inspections_lcd` for LCD."""
    return f"inspections_{type_.code.lower()}"


def view(type_: ObjectType) -> str:
    """The statements that make the view of one type anew."""
    name = view_name(type_)
    shown = ",\n".join(f"    {column}" for column in _columns(type_))
    return (
        f"DROP VIEW IF EXISTS {name};\n"
        f"CREATE VIEW {name} AS\n"
        f"SELECT\n{shown}\n"
        f"FROM noggin_data d\n"
        f"WHERE d.object_code = {_quoted(type_.code)}\n"
        f"   OR (d.object_code IS NULL AND d.object_type = {_quoted(type_.name)});\n"
        f"COMMENT ON VIEW {name} IS {_quoted(type_.name + ': every field of the record.')};\n"
    )


def script(types: Iterable[ObjectType]) -> str:
    """The helpers and the views of all `types`, by code."""
    ordered = sorted(types, key=lambda one: one.code)
    return "\n".join([HELPERS, *(view(one) for one in ordered)])


def _columns(type_: ObjectType) -> list[str]:
    """Every select item of the view; a name that is taken gets `_field` added."""
    items = {name: f"d.{name}" for name in _BEFORE}
    later = set(_AFTER)
    for one in type_.fields:
        if one.name == type_.date_field:
            continue
        for name, source in _of_field(one):
            while name in items or name in later:
                name = _fitted(f"{name}_field")
            items[name] = source if source == f"d.{name}" else f"{source} AS {name}"
    if type_.compliance is not None:
        items.setdefault("load_compliance", "d.load_compliance")
    items |= {name: f"d.{name}" for name in _AFTER}
    return list(items.values())


def _of_field(one: Field) -> list[tuple[str, str]]:
    """(name, source) of the one or two columns that show a field."""
    if one.column is not None:
        shown = [(one.column, f"d.{one.column}")]
        if columns.MAPPABLE[one.column] is Holds.NAME and one.kind is Kind.HASH:
            beside = columns.hash_column(one.column)
            shown.append((beside, f"d.{beside}"))
        return shown
    name, key = object_types.snake_case(one.name), _quoted(one.name)
    if one.kind is Kind.BOOL:
        return [(_fitted(name), f"payload_boolean(d.payload, {key})")]
    if one.kind is Kind.NUMBER:
        return [(_fitted(name), f"payload_number(d.payload, {key})")]
    if one.kind is Kind.HASH:
        return [
            (_fitted(name), f"payload_name(d.payload, {key})"),
            (_fitted(f"{name}_hash"), f"payload_hash(d.payload, {key})"),
        ]
    if one.kind is Kind.HASH_LIST:
        return [
            (_fitted(name), f"payload_names(d.payload, {key})"),
            (_fitted(f"{name}_hashes"), f"d.payload -> {key}"),
        ]
    operator = "->" if one.kind is Kind.FILES else "->>"
    return [(_fitted(name), f"d.payload {operator} {key}")]


def _fitted(name: str) -> str:
    """`name`, shortened to fit an identifier and kept apart from others by its digest."""
    if len(name) <= MAX_IDENTIFIER_BYTES:
        return name
    return f"{name[: MAX_IDENTIFIER_BYTES - 7]}_{names.digest(name, chars=6)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
