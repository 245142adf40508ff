-- A host's heartbeat with its facts; the requests that wait for it come back.
SELECT fleet_present(%(host)s, %(instance)s, %(version)s, %(output)s, %(facts)s, %(age_s)s)
