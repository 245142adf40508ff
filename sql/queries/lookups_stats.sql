-- Names and open unknown hashes by kind.
SELECT entity_type, coalesce(k.known, 0) AS known, coalesce(u.unknown, 0) AS unknown,
       coalesce(u.resolved, 0) AS resolved, coalesce(u.occurrences, 0) AS occurrences
FROM (SELECT entity_type, count(*) AS known FROM entity_hashes GROUP BY entity_type) AS k
FULL JOIN (
    SELECT entity_type, count(*) FILTER (WHERE resolved_at IS NULL) AS unknown,
           count(*) FILTER (WHERE resolved_at IS NOT NULL) AS resolved,
           coalesce(sum(occurrence_count) FILTER (WHERE resolved_at IS NULL), 0)::bigint AS occurrences
    FROM unknown_hashes GROUP BY entity_type) AS u USING (entity_type)
ORDER BY entity_type
