-- One source in full, with where its TIPs stand now.
SELECT l.source_id, l.filename, l.kind, l.object_code, l.version, l.status, l.rows_read,
       l.rows_imported, l.rows_known, l.rows_duplicate, l.rows_rejected, l.started_at,
       l.finished_at, l.seconds::float8 AS seconds, l.stalled, s.sha256, s.size_bytes, s.loaded_by,
       s.error_message,
       (SELECT jsonb_object_agg(processing_status, n) FROM (
            SELECT processing_status, count(*) AS n FROM noggin_data
            WHERE source_id = %(source_id)s GROUP BY processing_status) AS c) AS tips
FROM loader_status l JOIN sources s USING (source_id) WHERE l.source_id = %(source_id)s
