-- Staged names enter entity_hashes; of several for one hash the last in the file counts.
WITH last AS (
    SELECT DISTINCT ON (hash_value) * FROM lookups_staged ORDER BY hash_value, line DESC
), written AS (
    INSERT INTO entity_hashes AS e (hash_value, entity_type, entity_name, source)
    SELECT hash_value, entity_type, entity_name, %(source)s FROM last ORDER BY hash_value
    ON CONFLICT (hash_value) DO UPDATE SET
        entity_type = excluded.entity_type, entity_name = excluded.entity_name,
        source = excluded.source, updated_at = now()
    WHERE (e.entity_type, e.entity_name) IS DISTINCT FROM (excluded.entity_type, excluded.entity_name)
    RETURNING xmax = 0 AS new
)
SELECT (SELECT count(*) FROM last),
       (SELECT count(*) FROM written WHERE new),
       (SELECT count(*) FROM written WHERE NOT new)
