-- Of the rows a settle could not lock: those that still carry our gen, so are merely locked by somebody.
SELECT d.tip FROM noggin_data d
WHERE (d.tip, d.gen) IN (SELECT * FROM unnest(%(tips)s::text[], %(gens)s::integer[]))
