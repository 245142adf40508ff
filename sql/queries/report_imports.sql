-- Files whose loading began in a span of time.
SELECT source_id, filename, kind, object_code, status, rows_read, rows_imported, rows_known,
       rows_duplicate, rows_rejected, started_at
FROM sources WHERE started_at >= %(start)s AND started_at < %(end)s
ORDER BY started_at, source_id LIMIT %(limit)s
