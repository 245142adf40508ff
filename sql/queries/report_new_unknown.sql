-- Hashes without a name that were first seen in a span of time, by kind.
SELECT entity_type, count(*) FROM unknown_hashes
WHERE first_seen_at >= %(start)s AND first_seen_at < %(end)s GROUP BY entity_type ORDER BY entity_type
