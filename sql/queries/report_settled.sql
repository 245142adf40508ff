-- TIPs last settled in a span of time, by part of the span, type and status. A TIP that was changed
-- later by hand still counts when it was settled; what no worker settles counts when it was changed.
SELECT width_bucket(at, %(edges)s::timestamptz[]) - 1 AS part, type, status, dead, count(*) AS tips
FROM (
    SELECT coalesce(object_code, 'unknown') AS type, processing_status AS status,
           permanently_failed AS dead,
           CASE WHEN processing_status IN ('skipped', 'interrupted') THEN updated_at
                ELSE coalesce(last_retry_at, updated_at) END AS at
    FROM noggin_data
    WHERE updated_at >= %(start)s AND processing_status <> 'pending'
) AS settled
WHERE at >= %(start)s AND at < %(end)s
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
