-- The hosts of the fleet: how each is and how long ago it was heard of.
SELECT host, state, leader, workers, wanted, busy, blocked, parked, version, config_version, config_error,
       instance, started_at, heard_at AS heartbeat_at, silent_s, output, requests
FROM fleet_overview ORDER BY host
