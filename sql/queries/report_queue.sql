-- Live entries of the queue: those whose gen is the row's. A lease that ran out counts until reaped.
SELECT
    (SELECT count(*) FROM ready r JOIN noggin_data d ON d.tip = r.tip AND d.gen = r.gen),
    (SELECT count(*) FROM later l JOIN noggin_data d ON d.tip = l.tip AND d.gen = l.gen),
    (SELECT count(*) FROM lease l CROSS JOIN LATERAL unnest(l.tips, l.gens) AS held (tip, gen)
     JOIN noggin_data d ON d.tip = held.tip AND d.gen = held.gen)
