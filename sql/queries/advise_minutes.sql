-- Requests of the last seconds, by host (scope null) and by scope; `minutes` in which there were any.
SELECT breaker_host(scope) AS host, scope, sum(ok)::bigint AS ok, sum(failed)::bigint AS failed,
       sum(throttled)::bigint AS throttled, sum(paused)::bigint AS paused, count(DISTINCT minute) AS minutes
FROM breaker_minutes
WHERE minute >= date_trunc('minute', clock_timestamp() - make_interval(secs => %(window_s)s))
GROUP BY GROUPING SETS ((breaker_host(scope)), (breaker_host(scope), scope))
ORDER BY 1, 2
