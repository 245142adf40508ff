-- Rows whose type nobody knew learn it from the file; those that were dead for it are queued again.
WITH first AS (
    SELECT DISTINCT ON (tip) * FROM import_staged ORDER BY tip, line
)
UPDATE noggin_data d SET
    object_type = t.name,
    object_code = s.object_code,
    csv_imported_at = coalesce(d.csv_imported_at, now()),
    source_id = coalesce(d.source_id, %(source_id)s),
    expected_inspection_id = coalesce(d.expected_inspection_id, s.expected_inspection_id),
    expected_inspection_date = coalesce(d.expected_inspection_date, s.expected_inspection_date),
    expected_inspected_by = coalesce(d.expected_inspected_by, s.expected_inspected_by),
    expected_vehicle = coalesce(d.expected_vehicle, s.expected_vehicle),
    expected_team = coalesce(d.expected_team, s.expected_team),
    processing_status = CASE WHEN d.permanently_failed THEN 'pending' ELSE d.processing_status END,
    retry_count = CASE WHEN d.permanently_failed THEN 0 ELSE d.retry_count END,
    next_retry_at = CASE WHEN d.permanently_failed THEN NULL ELSE d.next_retry_at END,
    last_error_message = CASE WHEN d.permanently_failed THEN NULL ELSE d.last_error_message END,
    permanently_failed = false
FROM first s
JOIN unnest(%(codes)s::text[], %(names)s::text[]) AS t (code, name) ON t.code = s.object_code
WHERE d.tip = s.tip AND d.object_type = 'unknown'
