-- Take the oldest notice that waits to be sent. Nobody else takes it while this attempt may last.
UPDATE notices SET attempts = attempts + 1,
    next_try_at = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE notice_id = (
    SELECT notice_id FROM notices WHERE waiting_for <> '{}' AND next_try_at <= clock_timestamp()
    ORDER BY notice_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING notice_id, kind, subject, level, message, silent, host, created_at, waiting_for, attempts
