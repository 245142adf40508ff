"""Names of hashes: known, unknown, counted."""

from noggin_mp.store import lookups, session
from tests.support import hashes
from tests.support.tips import tip


def test_names_gives_what_is_known(conn: session.Connection) -> None:
    conn.execute("INSERT INTO entity_hashes VALUES (%s, 'team', 'Blue')", (tip(1),))

    assert hashes.names(conn, [tip(1), tip(2), tip(1)]) == {tip(1): "Blue"}
    assert hashes.names(conn, []) == {}


def test_settle_unknown_counts_every_time_when_a_hash_comes_again(
    conn: session.Connection,
) -> None:
    hashes.seen_unknown(conn, [("team", tip(1)), ("team", tip(1)), ("person", tip(1))])
    hashes.seen_unknown(conn, [("team", tip(1))])
    hashes.seen_unknown(conn, [])

    rows = conn.execute("SELECT entity_type, occurrence_count FROM unknown_hashes ORDER BY 1")
    assert rows.fetchall() == [("person", 1), ("team", 3)]


def test_stats_counts_names_and_unknown_hashes_by_kind(conn: session.Connection) -> None:
    conn.execute("INSERT INTO entity_hashes VALUES (%s, 'vehicle', 'V')", (tip(1),))
    hashes.seen_unknown(conn, [("team", tip(2)), ("team", tip(2)), ("team", tip(3))])
    conn.execute("UPDATE unknown_hashes SET resolved_at = now() WHERE hash_value = %s", (tip(3),))

    assert lookups.stats(conn) == [
        lookups.Kind(entity_type="team", known=0, unknown=1, resolved=1, occurrences=2),
        lookups.Kind(entity_type="vehicle", known=1, unknown=0, resolved=0, occurrences=0),
    ]
