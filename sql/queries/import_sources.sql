-- Every file ever loaded, the last first, with its counts.
SELECT source_id, filename, kind, object_code, version, status, rows_read, rows_imported,
       rows_known, rows_duplicate, rows_rejected, started_at, finished_at,
       seconds::float8 AS seconds, stalled
FROM loader_status ORDER BY source_id DESC LIMIT %(limit)s
