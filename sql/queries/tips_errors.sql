-- The last failures of one TIP, the newest first.
SELECT created_at, error_type, error_message, retry_attempt, worker_id, resolved
FROM processing_errors WHERE tip = %(tip)s ORDER BY created_at DESC, error_id DESC LIMIT %(limit)s
