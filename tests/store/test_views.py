"""The views of the object types on a real database, and the columns records fill."""

import json
import re
from pathlib import Path

import pytest

from noggin_mp import resources
from noggin_mp.domain import columns, record, views
from noggin_mp.settings import object_types
from noggin_mp.store import session
from tests.support import records
from tests.support.records import PERTH, TIP, hex64

CATALOGUE = object_types.load()


def insert(conn: session.Connection, row: dict[str, object]) -> None:
    """Insert one row of noggin_data by column names, the way settle hands rows over: as JSON."""
    names = ", ".join(row)
    conn.execute(
        f"INSERT INTO noggin_data ({names})"  # noqa: S608  names are constants of the test
        f" SELECT {names} FROM jsonb_populate_record(NULL::noggin_data, %s)",
        (json.dumps(row, default=lambda value: value.isoformat()),),
    )


def test_record_columns_are_what_the_table_has(conn: session.Connection) -> None:
    types = dict(
        conn.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND table_name = 'noggin_data'"
        ).fetchall()
    )
    assert set(columns.RECORD) <= set(types)
    assert set(columns.EXPECTED) <= set(types)
    for column, holds in columns.MAPPABLE.items():
        expected = {"integer": "integer", "boolean": "boolean"}.get(holds, "text")
        assert types[column] == expected, column


def test_settle_writes_every_record_column() -> None:
    statement = (resources.folder("sql") / "queries" / "settle_records.sql").read_text()
    written = set(re.findall(r"^\s*(?:SET )?(\w+) = r\.\1,", statement, flags=re.MULTILINE))
    assert set(columns.RECORD) <= written


@pytest.mark.parametrize("code", sorted(CATALOGUE.by_code))
def test_view_shows_a_record_of_its_type(conn: session.Connection, code: str) -> None:
    type_ = CATALOGUE.by_code[code]
    parsed = record.parse(records.body(type_), type_=type_, tip=TIP, zone=PERTH)
    insert(conn, {"tip": TIP, "gen": 1, "processing_status": "complete", "interruptions": 0,
                  "retry_count": 0, "permanently_failed": False, "total_attachments": 0,
                  "completed_attachment_count": 0, "all_attachments_complete": True,
                  "archived": False, "created_at": "2025-10-24", "updated_at": "2025-10-24",
                  **record.resolve(parsed, {}).columns})  # fmt: skip
    for other in CATALOGUE.types:
        count = conn.execute(f"SELECT count(*) FROM {views.view_name(other)}").fetchone()  # noqa: S608
        assert count == (int(other is type_),)
    cursor = conn.execute(f"SELECT * FROM {views.view_name(type_)}")  # noqa: S608
    row = cursor.fetchone()
    assert row is not None and cursor.description is not None
    shown = dict(zip((one.name for one in cursor.description), row, strict=True))
    assert shown["noggin_reference"] == parsed.reference
    if code == "LCS":
        assert shown["no_of_webbings"] == 4
        assert shown["gluts"] is True
        assert shown["comments_actions"] == "<p>seen &amp; noted</p>"
        assert shown["customer_client"] is None
        assert shown["customer_client_hash"] == hex64("customerClient")
        assert shown["signature"] == parsed.payload["signature"]


def test_view_names_what_is_known_now_and_survives_odd_values(conn: session.Connection) -> None:
    known = hex64("client")
    conn.execute(
        "INSERT INTO entity_hashes (hash_value, entity_type, entity_name)"
        " VALUES (%s, 'person', 'A. Nguyen')",
        (known,),
    )
    payload = {"siteManager": known.upper(), "personInvolved": [known, "x"], "vehicleS": "odd"}
    odd = {
        "driver": "perhaps",
        "noOfChains": "some",
        "customerClient": "Plain Pty Ltd",
        "loader": "Y",
    }
    for tip, code, body in (("a", "SO", payload), ("b", "LCD", odd), ("c", "LCD", None)):
        conn.execute(
            "INSERT INTO noggin_data (tip, object_code, processing_status, payload)"
            " VALUES (%s, %s, 'complete', %s)",
            (tip, code, json.dumps(body)),
        )
    found = conn.execute(
        "SELECT site_manager, person_involved, vehicle_s FROM inspections_so"
    ).fetchall()
    assert found == [("A. Nguyen", "A. Nguyen, x", None)]
    found = conn.execute(
        "SELECT driver, loader, no_of_chains, customer_client, customer_client_hash"
        " FROM inspections_lcd ORDER BY tip"
    ).fetchall()
    assert found == [(None, True, None, "Plain Pty Ltd", None), (None,) * 5]


def test_view_shows_rows_that_only_have_the_types_name(conn: session.Connection) -> None:
    conn.execute("INSERT INTO noggin_data (tip, object_type) VALUES ('a', 'Trailer Audits')")
    assert conn.execute("SELECT tip FROM inspections_ta").fetchall() == [("a",)]


def test_view_of_a_type_can_be_made_again(conn: session.Connection) -> None:
    for type_ in CATALOGUE.types:
        conn.execute(views.view(type_))
    assert Path(str(resources.folder("sql"))).is_dir()
