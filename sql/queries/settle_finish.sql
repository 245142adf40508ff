-- The leases whose last part has been settled.
DELETE FROM lease WHERE token = ANY (%(tokens)s)
