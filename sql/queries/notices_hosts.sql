-- The hosts as notices look at them.
SELECT host, state, silent_s, parked, blocked, config_error FROM fleet_overview ORDER BY host
