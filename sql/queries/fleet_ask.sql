-- Somebody wants something of the supervisors of one host or of all; gives the request's id.
SELECT fleet_request(%(verb)s, %(workers)s, %(host)s, %(reason)s, %(who)s, %(seconds)s)
