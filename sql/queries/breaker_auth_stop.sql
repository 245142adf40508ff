-- A 401: the whole fleet stops until the token changes.
SELECT breaker_auth_stop(%(scope)s, %(worker)s, %(epoch)s, %(fingerprint)s, %(tip)s, %(reason)s)
