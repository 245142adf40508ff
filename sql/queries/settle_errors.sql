-- Write down what went wrong, one row per failure, for rows that passed the fence.
INSERT INTO processing_errors (tip, error_type, error_message, error_details, retry_attempt, worker_id)
SELECT tip, error_type, error_message, error_details, retry_attempt, worker_id
FROM jsonb_to_recordset(%(rows)s) AS r (
    tip text, error_type text, error_message text, error_details jsonb, retry_attempt integer,
    worker_id text)
