-- A run of this host begins; an earlier one of the same installation that never ended, has.
WITH lost AS (
    UPDATE session_log SET finished_at = clock_timestamp(), summary = summary || '{"reason": "not known"}'
    WHERE finished_at IS NULL AND host = %(host)s AND summary->>'instance' = %(instance)s
      AND summary->>'session' <> %(session)s)
INSERT INTO session_log (host, summary)
SELECT %(host)s, jsonb_build_object('session', %(session)s::text, 'instance', %(instance)s::text,
                                    'version', %(version)s::text)
WHERE NOT EXISTS (
    SELECT FROM session_log
    WHERE host = %(host)s AND summary->>'session' = %(session)s AND summary->>'instance' = %(instance)s)
