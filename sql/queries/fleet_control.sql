-- The whole fleet's pause.
SELECT (v.view->>'state') = 'paused' AS paused, v.view->>'reason' AS reason, q.paused_until AS until
FROM queue_control q CROSS JOIN LATERAL (SELECT fleet_view(clock_timestamp()) AS view) AS v
