-- What a host made of a request; the first answer stands.
INSERT INTO fleet_answers AS a (request_id, host, at, ok, detail)
VALUES (%(request)s, %(host)s, clock_timestamp(), %(ok)s, %(detail)s)
ON CONFLICT (request_id, host) DO UPDATE SET at = excluded.at, ok = excluded.ok, detail = excluded.detail
WHERE a.at IS NULL
