-- Every scope as it is now.
SELECT b.scope, v.view->>'state' AS state, b.mode, b.epoch,
       CASE v.view->>'state' WHEN 'paused' THEN b.paused_until WHEN 'half_open' THEN b.probe_lease_until
                             WHEN 'closed' THEN NULL ELSE b.until END AS until,
       (v.view->>'remaining_s')::float AS remaining_s, (v.view->>'paused_s')::float AS paused_s,
       CASE WHEN v.view->>'state' <> 'closed' THEN b.reason END AS reason,
       b.open_count, b.trial_successes, b.probe_owner, b.opened_by, b.updated_at,
       (SELECT count(*) FROM breaker_votes q WHERE q.scope = b.scope AND q.quarantined) AS quarantined
FROM breaker_state b
CROSS JOIN LATERAL (SELECT breaker_view(b, clock_timestamp()) AS view) AS v
ORDER BY b.scope
