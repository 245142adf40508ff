-- What hosts made of some requests so far.
SELECT request_id, host, taken_at, at, ok, detail FROM fleet_answers
WHERE request_id = ANY (%(ids)s) ORDER BY request_id, host
