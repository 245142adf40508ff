-- The latest events of the breaker, newest first.
SELECT id, ts, scope, event_type, old_state, new_state, reason, worker, details
FROM breaker_events
WHERE %(scope)s::text IS NULL OR scope = %(scope)s
ORDER BY id DESC
LIMIT %(limit)s
