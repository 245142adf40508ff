-- Lock the leases a settle writes under; a token that does not come back is lost.
SELECT token FROM lease
WHERE token = ANY (%(tokens)s) AND lease_until > clock_timestamp()
ORDER BY token FOR UPDATE
