-- Renew leases that have not run out; the tokens that come back are still ours.
UPDATE lease SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
WHERE token = ANY (%(tokens)s) AND lease_until > clock_timestamp()
RETURNING token
