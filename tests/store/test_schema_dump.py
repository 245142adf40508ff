"""sql/schema.sql says what the migrations do."""

from noggin_mp.store import session
from tests.support import catalog, postgres, schema_dump


def test_schema_sql_equals_migrations_when_both_are_loaded(
    conn: session.Connection, database: str
) -> None:
    with session.connect(database, schema="public", application_name="tests") as loaded:
        loaded.execute(schema_dump.FILE.read_text("utf-8"))
        # The rest of the line tells what to do when this fails.
        assert catalog.describe(loaded, postgres.SCHEMA) == catalog.describe(
            conn, postgres.SCHEMA
        ), "run python -m tests.support.schema_dump"
