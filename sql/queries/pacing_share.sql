-- A worker's share of the requests that may be in flight, renewed.
SELECT pacing_share(%(scope)s, %(worker)s, %(cap)s, %(in_flight)s, %(wanted)s, %(ttl_s)s, %(fresh_s)s)
