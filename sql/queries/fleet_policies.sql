-- The policies that hosts go by, as far as they tell: of those whose monitor was heard of in the last 10 seconds.
SELECT host, facts->'policy' FROM fleet_hosts
WHERE stopped_at IS NULL AND heartbeat_at > clock_timestamp() - interval '10 seconds' AND facts->'policy' IS NOT NULL
ORDER BY host
