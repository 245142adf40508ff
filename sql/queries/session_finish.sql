-- A run of this host has ended: how, and what its workers left the TIPs at.
UPDATE session_log s
SET finished_at = clock_timestamp(), exit_code = %(exit_code)s,
    summary = summary || jsonb_build_object('reason', %(reason)s::text, 'tips', (
        SELECT coalesce(jsonb_object_agg(processing_status, tips), '{}') FROM (
            SELECT processing_status, count(*) AS tips FROM noggin_data d
            WHERE d.updated_at >= s.started_at AND starts_with(d.worker_id, s.host || '/')
            GROUP BY processing_status) AS counted))
WHERE host = %(host)s AND summary->>'session' = %(session)s AND summary->>'instance' = %(instance)s
