-- Staged TIPs that are new enter noggin_data in the order of the file; the trigger queues them so.
INSERT INTO noggin_data (
    tip, object_type, object_code, source_id, csv_imported_at, expected_inspection_id,
    expected_inspection_date, expected_inspected_by, expected_vehicle, expected_team)
SELECT s.tip, t.name, s.object_code, %(source_id)s, now(), s.expected_inspection_id,
       s.expected_inspection_date, s.expected_inspected_by, s.expected_vehicle, s.expected_team
FROM import_staged s
JOIN unnest(%(codes)s::text[], %(names)s::text[]) AS t (code, name) ON t.code = s.object_code
ORDER BY s.line
ON CONFLICT (tip) DO NOTHING
