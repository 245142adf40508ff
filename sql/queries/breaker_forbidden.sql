-- A 403: is it the record that is forbidden, or the token that is not good any more?
SELECT breaker_forbidden(%(scope)s, %(worker)s, %(epoch)s, %(fingerprint)s, %(tip)s, %(ok_age_s)s)
