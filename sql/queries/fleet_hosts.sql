-- The hosts of the fleet and how long ago each was heard of.
SELECT host, instance::text AS instance, version, leader, started_at, heartbeat_at,
       extract(epoch FROM clock_timestamp() - heartbeat_at)::float AS silent_s
FROM fleet_hosts ORDER BY host
