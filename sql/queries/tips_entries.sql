-- The live queue entries of a TIP: where it waits, or who works on it and until when.
SELECT 'ready' AS state, r.prio, r.seq, NULL::timestamptz AS run_at, NULL::text AS worker,
       NULL::timestamptz AS lease_until
FROM ready r JOIN noggin_data d ON d.tip = r.tip AND d.gen = r.gen WHERE r.tip = %(tip)s
UNION ALL
SELECT 'later', l.prio, l.seq, l.run_at, NULL, NULL
FROM later l JOIN noggin_data d ON d.tip = l.tip AND d.gen = l.gen WHERE l.tip = %(tip)s
UNION ALL
SELECT 'leased', held.prio, l.token, NULL, l.host || '/' || l.slot, l.lease_until
FROM lease l CROSS JOIN LATERAL unnest(l.tips, l.gens, l.prios) AS held (tip, gen, prio)
JOIN noggin_data d ON d.tip = held.tip AND d.gen = held.gen WHERE held.tip = %(tip)s
