-- Lease one named TIP that is ready, whatever its place in the queue (run --tip).
WITH gone AS (
    DELETE FROM ready WHERE ctid = ANY (ARRAY(
        SELECT ready.ctid FROM ready WHERE ready.tip = %(tip)s FOR UPDATE SKIP LOCKED))
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
           array_agg(tip), array_agg(gen), array_agg(prio)
    FROM live HAVING count(*) > 0
    RETURNING token
)
SELECT (SELECT token FROM granted) AS token, l.prio, l.seq, l.tip, l.gen, l.object_type,
       l.object_code, l.processing_status, l.retry_count, l.interruptions
FROM live l
