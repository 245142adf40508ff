-- Requests of a span of time, by its parts and role; a pause (429, Retry-After) is the host's.
SELECT width_bucket(minute, %(edges)s::timestamptz[]) - 1 AS part,
       CASE WHEN position(':' IN scope) > 0 THEN split_part(scope, ':', 2) ELSE 'any' END AS role,
       sum(ok)::bigint AS ok, sum(failed)::bigint AS failed, sum(throttled + paused)::bigint AS throttled
FROM breaker_minutes
WHERE minute >= %(start)s AND minute < %(end)s
GROUP BY 1, 2
ORDER BY 1, 2
