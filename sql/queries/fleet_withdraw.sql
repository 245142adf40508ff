-- Whoever has not heard of these requests by now shall not obey them.
UPDATE fleet_requests SET expires_at = least(expires_at, clock_timestamp()) WHERE id = ANY (%(ids)s)
