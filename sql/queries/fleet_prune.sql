-- Forget old requests with their answers, and hosts that have not been heard of for as long.
WITH requests AS (
    DELETE FROM fleet_requests WHERE expires_at < clock_timestamp() - make_interval(days => %(days)s) RETURNING 1
), workers AS (
    DELETE FROM fleet_workers WHERE heartbeat_at < clock_timestamp() - make_interval(days => %(days)s) RETURNING 1
), hosts AS (
    DELETE FROM fleet_hosts h WHERE h.heartbeat_at < clock_timestamp() - make_interval(days => %(days)s)
      AND NOT EXISTS (SELECT FROM fleet_workers w
                      WHERE w.host = h.host AND w.heartbeat_at >= clock_timestamp() - make_interval(days => %(days)s))
    RETURNING 1
)
SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM workers), (SELECT count(*) FROM hosts)
