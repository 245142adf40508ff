-- Failures since a time, grouped by what was asked for; numbers and hashes in messages are folded.
SELECT what, count(*) AS failures, count(DISTINCT tip) AS tips,
       count(*) FILTER (WHERE NOT resolved) AS unresolved,
       min(created_at) AS first_at, max(created_at) AS last_at,
       (array_agg(error_message ORDER BY created_at DESC))[1] AS latest
FROM (
    SELECT e.tip, e.resolved, e.created_at, e.error_message, CASE %(by)s
        WHEN 'message' THEN regexp_replace(coalesce(e.error_message, e.error_type),
                                           '[0-9a-fA-F]{16,}|[0-9]+', '#', 'g')
        WHEN 'tip' THEN e.tip
        WHEN 'worker' THEN e.worker_id
        WHEN 'day' THEN to_char(e.created_at, 'YYYY-MM-DD')
        WHEN 'object' THEN coalesce(d.object_code, d.object_type, 'unknown')
        ELSE e.error_type END AS what
    FROM processing_errors e LEFT JOIN noggin_data d USING (tip)
    WHERE %(since)s::timestamptz IS NULL OR e.created_at >= %(since)s
) AS f
GROUP BY what ORDER BY failures DESC, what LIMIT %(limit)s
