-- Ask for TIPs again, whatever they were; a null gen takes the row as it is, another only unchanged.
WITH locked AS (
    SELECT d.tip FROM noggin_data d
    JOIN unnest(%(tips)s::text[], %(gens)s::integer[]) AS w (tip, gen)
        ON w.tip = d.tip AND (w.gen IS NULL OR w.gen = d.gen)
    ORDER BY d.tip FOR UPDATE OF d
)
UPDATE noggin_data d SET processing_status = 'pending', retry_count = 0, next_retry_at = NULL,
    permanently_failed = false
FROM locked WHERE d.tip = locked.tip
