-- What lookups_merge would do, without doing it.
WITH last AS (
    SELECT DISTINCT ON (hash_value) * FROM lookups_staged ORDER BY hash_value, line DESC
)
SELECT count(*), count(*) FILTER (WHERE e.hash_value IS NULL),
       count(*) FILTER (WHERE e.hash_value IS NOT NULL
           AND (e.entity_type, e.entity_name) IS DISTINCT FROM (l.entity_type, l.entity_name))
FROM last l LEFT JOIN entity_hashes e USING (hash_value)
