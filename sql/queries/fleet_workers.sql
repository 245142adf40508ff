-- The workers of the fleet: what each is doing and how long ago it was heard of.
SELECT host, slot, pid, state, busy, tip, started_at, heartbeat_at,
       extract(epoch FROM clock_timestamp() - heartbeat_at)::float AS silent_s
FROM fleet_workers ORDER BY host, slot
