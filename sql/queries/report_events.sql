-- Changes of the breaker and pauses of the fleet within a span of time, and before it the last one
-- of each scope, which says what held at its start; in the order they happened in.
WITH change AS (
    SELECT scope, ts, id, event_type, new_state, (details->>'seconds')::float8 AS seconds
    FROM breaker_events WHERE new_state IS NOT NULL AND event_type NOT IN ('would_trip', 'quarantine')
    UNION ALL
    SELECT 'fleet', ts, audit_id, action, CASE action WHEN 'fleet pause' THEN 'paused' ELSE 'closed' END,
           (details->>'paused_s')::float8
    FROM audit_log WHERE action IN ('fleet pause', 'fleet resume')
)
SELECT scope, ts, event_type, new_state, seconds FROM (
    (SELECT DISTINCT ON (scope) * FROM change WHERE ts < %(start)s ORDER BY scope, ts DESC, id DESC)
    UNION ALL
    SELECT * FROM change WHERE ts >= %(start)s AND ts < %(end)s
) AS told
ORDER BY ts, id
