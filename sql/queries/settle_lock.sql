-- Lock the rows to settle whose gen is still ours, in TIP order; rows locked by somebody are skipped.
SELECT d.tip FROM noggin_data d
WHERE (d.tip, d.gen) IN (SELECT * FROM unnest(%(tips)s::text[], %(gens)s::integer[]))
ORDER BY d.tip FOR NO KEY UPDATE SKIP LOCKED
