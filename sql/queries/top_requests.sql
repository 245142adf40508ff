-- Requests of the last full minute, by role: asked, and not ok.
SELECT CASE WHEN position(':' IN scope) > 0 THEN split_part(scope, ':', 2) ELSE 'any' END AS role,
       sum(ok + failed + throttled + paused)::bigint AS requests, sum(failed + throttled + paused)::bigint AS not_ok
FROM breaker_minutes
WHERE minute >= date_trunc('minute', now()) - interval '1 minute' AND minute < date_trunc('minute', now())
GROUP BY 1 ORDER BY 1
