"""The columns of noggin_data that a fetched record fills, and what each may hold.

Every settled record writes all of them, absent fields as NULL, so that a record fetched again
loses what the API no longer gives. A test keeps this list equal to the migrated table.
"""

from enum import StrEnum


class Holds(StrEnum):
    """What a column takes."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    NAME = "name"  # text resolved from a hash, which goes to <column>_hash


MAPPABLE: dict[str, Holds] = {
    "lcd_inspection_id": Holds.TEXT,
    "lcs_inspection_id": Holds.TEXT,
    "coupling_id": Holds.TEXT,
    "forklift_prestart_inspection_id": Holds.TEXT,
    "site_observation_id": Holds.TEXT,
    "trailer_audit_id": Holds.TEXT,
    "inspected_by": Holds.NAME,
    "vehicle": Holds.NAME,
    "vehicle_id": Holds.TEXT,
    "trailer": Holds.NAME,
    "trailer_id": Holds.TEXT,
    "trailer2": Holds.NAME,
    "trailer2_id": Holds.TEXT,
    "trailer3": Holds.NAME,
    "trailer3_id": Holds.TEXT,
    "department": Holds.NAME,
    "team": Holds.NAME,
    "job_number": Holds.TEXT,
    "run_number": Holds.TEXT,
    "driver_loader_name": Holds.TEXT,
    "straps": Holds.BOOLEAN,
    "no_of_straps": Holds.INTEGER,
    "chains": Holds.BOOLEAN,
    "mass": Holds.TEXT,
}
"""The columns that an object type's YAML may name for a field."""

META: dict[str, str] = {
    "createdDate": "api_meta_created_date",
    "modifiedDate": "api_meta_modified_date",
    "security": "api_meta_security",
    "type": "api_meta_type",
    "tip": "api_meta_tip",
    "sid": "api_meta_sid",
    "branch": "api_meta_branch",
    "parent": "api_meta_parent",
    "errors": "api_meta_errors",
}
"""Key of the body's `$meta` -> column."""

EXPECTED = (
    "expected_inspection_id",
    "expected_inspection_date",
    "expected_inspected_by",
    "expected_vehicle",
    "expected_team",
)
"""Where an importer keeps the preview columns of a CSV export."""


def hash_column(column: str) -> str:
    """The column that keeps the hash whose name `column` shows."""
    return f"{column}_hash"


RECORD: tuple[str, ...] = (
    "noggin_reference",
    "inspection_date",
    *(
        name
        for column, holds in MAPPABLE.items()
        for name in ((column, hash_column(column)) if holds is Holds.NAME else (column,))
    ),
    "load_compliance",
    "has_unknown_hashes",
    *META.values(),
)
"""Every column that record.resolve gives, in one fixed order."""
