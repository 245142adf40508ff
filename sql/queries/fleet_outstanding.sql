-- Requests that some host may still obey, with who has answered.
SELECT r.id, r.verb, r.args, coalesce(r.host, 'all') AS host, r.who, r.reason, r.created_at, r.expires_at,
       ARRAY(SELECT a.host FROM fleet_answers a WHERE a.request_id = r.id AND a.at IS NOT NULL ORDER BY 1) AS answered
FROM fleet_requests r
WHERE r.expires_at > clock_timestamp()
  AND EXISTS (SELECT FROM fleet_overview o
              WHERE o.state IN ('up', 'draining', 'silent')
                AND (r.host = o.host OR r.host IS NULL AND r.created_at >= o.started_at)
                AND NOT EXISTS (SELECT FROM fleet_answers a
                                WHERE a.request_id = r.id AND a.host = o.host AND a.at IS NOT NULL))
ORDER BY r.id
