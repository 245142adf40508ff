-- Take TIPs out of the queue for good; what is finished stays as it is.
WITH locked AS (
    SELECT d.tip FROM noggin_data d
    JOIN unnest(%(tips)s::text[], %(gens)s::integer[]) AS w (tip, gen)
        ON w.tip = d.tip AND (w.gen IS NULL OR w.gen = d.gen)
    WHERE d.processing_status NOT IN ('complete', 'not_found', 'skipped')
    ORDER BY d.tip FOR UPDATE OF d
)
UPDATE noggin_data d SET processing_status = 'skipped', next_retry_at = NULL, permanently_failed = false
FROM locked WHERE d.tip = locked.tip
