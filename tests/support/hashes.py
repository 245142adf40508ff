"""Names of hashes as tests put them in and look them up, by the statements that workers use."""

from collections.abc import Sequence

from psycopg.types import json

from noggin_mp.store import session, statements


def names(connection: session.Connection, hashes: Sequence[str]) -> dict[str, str]:
    """Hash -> name for those of `hashes` that have one."""
    known = statements.statement("known_names")
    return dict(connection.execute(known, {"hashes": list(hashes)}).fetchall())


def seen_unknown(connection: session.Connection, unknown: Sequence[tuple[str, str]]) -> None:
    """Count (entity type, hash) pairs as a settlement does."""
    pairs = [{"entity_type": entity, "hash_value": value} for entity, value in unknown]
    connection.execute(statements.statement("settle_unknown"), {"rows": json.Jsonb(pairs)})
