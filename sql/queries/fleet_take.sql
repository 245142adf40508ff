-- A host has heard of a request, and hands it to its supervisor.
INSERT INTO fleet_answers (request_id, host) VALUES (%(request)s, %(host)s) ON CONFLICT DO NOTHING
