-- Count hashes nobody has named yet; one that was resolved meanwhile and is unknown again reopens.
INSERT INTO unknown_hashes AS u (entity_type, hash_value, occurrence_count)
SELECT entity_type, hash_value, count(*)
FROM jsonb_to_recordset(%(rows)s) AS r (entity_type text, hash_value text)
GROUP BY entity_type, hash_value
ORDER BY entity_type, hash_value
ON CONFLICT (entity_type, hash_value) DO UPDATE SET
    last_seen_at = clock_timestamp(),
    occurrence_count = u.occurrence_count + excluded.occurrence_count
