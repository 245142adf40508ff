"""What a schema consists of, as comparable text: the same for any server version and any file."""

from noggin_mp.store import session

_QUERIES = {
    "relations": """
        SELECT c.relkind::text, c.relname, c.reloptions, obj_description(c.oid, 'pg_class')
        FROM pg_class c
        WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'v', 'S')
    """,
    "columns": """
        SELECT a.attrelid::regclass::text, a.attname, a.attnum - (
                   SELECT count(*) FROM pg_attribute d
                   WHERE d.attrelid = a.attrelid AND d.attisdropped AND d.attnum < a.attnum),
               format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
               pg_get_expr(d.adbin, d.adrelid), col_description(a.attrelid, a.attnum)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind IN ('r', 'v')
          AND a.attnum > 0 AND NOT a.attisdropped
    """,
    # Postgres 18 keeps NOT NULL here too; the columns tell already.
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype::text, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = %(schema)s::regnamespace AND contype <> 'n'
    """,
    "indexes": """
        SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %(schema)s
    """,
    "functions": """
        SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid),
               obj_description(p.oid, 'pg_proc')
        FROM pg_proc p WHERE p.pronamespace = %(schema)s::regnamespace AND p.prokind IN ('f', 'p')
    """,
    "views": """
        SELECT viewname, definition FROM pg_views WHERE schemaname = %(schema)s
    """,
    "triggers": """
        SELECT t.tgrelid::regclass::text, t.tgname, t.tgenabled::text, pg_get_triggerdef(t.oid)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = %(schema)s::regnamespace AND NOT t.tgisinternal
    """,
    "types": """
        SELECT t.typname, t.typtype::text FROM pg_type t
        WHERE t.typnamespace = %(schema)s::regnamespace AND t.typtype IN ('d', 'e', 'r')
    """,
}


def describe(connection: session.Connection, schema: str) -> dict[str, list[str]]:
    """Every object of the schema, by kind, sorted."""
    with connection.transaction():
        connection.execute("SELECT set_config('search_path', '', true)")
        return {
            kind: sorted(
                repr(row) for row in connection.execute(query, {"schema": schema}).fetchall()
            )
            for kind, query in _QUERIES.items()
        }
