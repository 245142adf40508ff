-- Is live work left: ready, leased, or due within the horizon; and how many became dead letters since.
SELECT
    EXISTS (SELECT FROM ready r JOIN noggin_data d ON d.tip = r.tip AND d.gen = r.gen),
    -- An expired lease that nobody reaped yet still counts: its TIPs will be ready again.
    EXISTS (SELECT FROM lease l CROSS JOIN LATERAL unnest(l.tips, l.gens) AS held (tip, gen)
            JOIN noggin_data d ON d.tip = held.tip AND d.gen = held.gen),
    -- A shut breaker is waited out: what it has put off, uncharged, for a second or so is still to do.
    EXISTS (SELECT FROM later l JOIN noggin_data d ON d.tip = l.tip AND d.gen = l.gen
            WHERE l.run_at <= clock_timestamp() + make_interval(secs => greatest(%(horizon_s)s,
                CASE WHEN EXISTS (
                    SELECT FROM breaker_state b
                    WHERE breaker_effective(b, clock_timestamp()) IN ('open', 'half_open', 'paused'))
                THEN 5 END))),
    (SELECT count(*) FROM noggin_data WHERE permanently_failed
        AND updated_at >= clock_timestamp() - make_interval(secs => %(age_s)s))
