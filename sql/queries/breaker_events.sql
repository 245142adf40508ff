-- The latest events of the breaker, newest first; of a host with its roles, or of one scope.
SELECT id, ts, scope, event_type, old_state, new_state, reason, worker, details
FROM breaker_events
WHERE (%(scope)s::text IS NULL OR scope = %(scope)s OR host = %(scope)s)
  AND (%(since)s::timestamptz IS NULL OR ts >= %(since)s)
  AND (%(types)s::text[] IS NULL OR event_type = ANY (%(types)s))
ORDER BY id DESC
LIMIT %(limit)s
