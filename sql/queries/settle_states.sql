-- Settle rows without a record: the state columns only.
UPDATE noggin_data d
SET processing_status = r.processing_status,
    gen = d.gen + 1,
    interruptions = r.interruptions,
    retry_count = r.retry_count,
    last_retry_at = clock_timestamp(),
    next_retry_at = clock_timestamp() + make_interval(secs => r.retry_in_s),
    permanently_failed = r.permanently_failed,
    last_error_message = r.last_error_message,
    worker_id = r.worker_id,
    object_code = coalesce(r.object_code, d.object_code),
    updated_at = clock_timestamp()
FROM jsonb_to_recordset(%(rows)s) AS r (
    tip text, gen integer, processing_status text, interruptions integer, retry_count integer,
    retry_in_s double precision, permanently_failed boolean, last_error_message text,
    worker_id text, object_code text)
WHERE d.tip = r.tip AND d.gen = r.gen
