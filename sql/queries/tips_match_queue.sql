-- TIPs with a live entry in one part of the queue, in the order of their turn; a null limit means all.
WITH entry AS (
    SELECT tip, gen, prio::double precision AS first, seq AS second
    FROM ready WHERE %(state)s = 'ready'
    UNION ALL
    SELECT tip, gen, extract(epoch FROM run_at), seq FROM later WHERE %(state)s = 'later'
    UNION ALL
    SELECT held.tip, held.gen, 0, token
    FROM lease CROSS JOIN LATERAL unnest(tips, gens) AS held (tip, gen)
    WHERE %(state)s = 'leased'
)
SELECT d.tip, d.gen FROM entry e JOIN noggin_data d ON d.tip = e.tip AND d.gen = e.gen
WHERE (%(error)s::text IS NULL OR strpos(lower(d.last_error_message), lower(%(error)s)) > 0)
  AND (%(types)s::text[] IS NULL OR lower(d.object_code) = ANY (%(types)s) OR lower(d.object_type) = ANY (%(types)s))
  AND (%(since)s::timestamptz IS NULL OR d.updated_at >= %(since)s)
ORDER BY e.first, e.second, d.tip
LIMIT %(limit)s
