-- What a list shows of given TIPs, in the order given, with the part of the queue each is in.
WITH wanted AS (
    SELECT tip, place FROM unnest(%(tips)s::text[]) WITH ORDINALITY AS w (tip, place)
), held AS (
    SELECT held.tip, held.gen, l.host || '/' || l.slot AS worker
    FROM lease l CROSS JOIN LATERAL unnest(l.tips, l.gens) AS held (tip, gen)
)
SELECT DISTINCT ON (w.place)
       d.tip, d.object_code, d.object_type, d.processing_status, d.permanently_failed,
       CASE WHEN h.tip IS NOT NULL THEN 'leased' WHEN r.tip IS NOT NULL THEN 'ready'
            WHEN l.tip IS NOT NULL THEN 'later' END AS queue,
       h.worker, d.retry_count, d.next_retry_at,
       coalesce(d.noggin_reference, d.expected_inspection_id) AS reference,
       coalesce(d.inspection_date, d.expected_inspection_date) AS inspection_date,
       d.completed_attachment_count, d.total_attachments, d.last_error_message, d.updated_at
FROM wanted w
JOIN noggin_data d ON d.tip = w.tip
LEFT JOIN held h ON h.tip = d.tip AND h.gen = d.gen
LEFT JOIN ready r ON r.tip = d.tip AND r.gen = d.gen
LEFT JOIN later l ON l.tip = d.tip AND l.gen = d.gen
ORDER BY w.place
