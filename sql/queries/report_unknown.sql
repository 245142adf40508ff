-- Hashes that have no name yet, by kind.
SELECT entity_type, count(*) FROM unknown_hashes WHERE resolved_at IS NULL
GROUP BY entity_type ORDER BY entity_type
