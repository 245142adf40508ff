-- How each host is, for the leader that watches them.
SELECT host, state, silent_s FROM fleet_overview ORDER BY host
