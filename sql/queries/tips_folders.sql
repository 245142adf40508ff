-- The folders that a TIP has claimed, below which folder of which host: the one that worked on it last.
SELECT f.path, h.host, h.output FROM folders f
LEFT JOIN noggin_data d ON d.tip = f.tip
LEFT JOIN fleet_hosts h ON h.host = regexp_replace(d.worker_id, '/[^/]*$', '')
WHERE f.tip = %(tip)s ORDER BY f.claimed_at
