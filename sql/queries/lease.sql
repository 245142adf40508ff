-- Lease up to k ready TIPs, in order of priority, after the caller's cursors. One lease row per batch.
-- One row comes back per entry taken; `tip` is null where the entry was stale and cost nothing.
WITH picked AS MATERIALIZED (
    SELECT r.at
    FROM unnest(%(prios)s::smallint[], %(after)s::bigint[]) AS c (prio, seq)
    CROSS JOIN LATERAL (
        SELECT ready.ctid AS at FROM ready
        WHERE ready.prio = c.prio AND ready.seq > c.seq
        ORDER BY ready.prio, ready.seq LIMIT %(k)s FOR UPDATE SKIP LOCKED
    ) AS r
    LIMIT %(k)s
), gone AS (
    DELETE FROM ready WHERE ctid = ANY (ARRAY(SELECT at FROM picked))
    RETURNING prio, seq, tip, gen
), live AS (
    SELECT g.prio, g.seq, d.tip, d.gen, d.object_type, d.object_code, d.processing_status,
           d.retry_count, d.interruptions
    FROM gone g JOIN noggin_data d ON d.tip = g.tip AND d.gen = g.gen
    WHERE queue_due(d.processing_status, d.permanently_failed)
), granted AS (
    INSERT INTO lease (host, slot, instance, boot, lease_until, tips, gens, prios)
    SELECT %(host)s, %(slot)s, %(instance)s, %(boot)s,
           clock_timestamp() + make_interval(secs => %(lease_s)s),
           array_agg(tip ORDER BY prio, seq), array_agg(gen ORDER BY prio, seq),
           array_agg(prio ORDER BY prio, seq)
    FROM live HAVING count(*) > 0
    RETURNING token
)
SELECT (SELECT token FROM granted) AS token, g.prio, g.seq, l.tip, l.gen, l.object_type,
       l.object_code, l.processing_status, l.retry_count, l.interruptions
FROM gone g LEFT JOIN live l ON l.prio = g.prio AND l.seq = g.seq
ORDER BY g.prio, g.seq
