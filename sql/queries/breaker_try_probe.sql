-- May this session send the one trial request of the scope?
SELECT breaker_try_probe(%(scope)s, %(worker)s, %(fingerprint)s, %(policy)s)
