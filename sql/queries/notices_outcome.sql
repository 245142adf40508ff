-- What became of an attempt: the channels left, why, and when to try again.
UPDATE notices SET waiting_for = %(left)s, error = %(error)s,
    sent_at = CASE WHEN %(left)s = '{}'::text[] AND %(error)s::text IS NULL THEN clock_timestamp() ELSE sent_at END,
    next_try_at = clock_timestamp() + make_interval(secs => %(again_s)s)
WHERE notice_id = %(notice_id)s
