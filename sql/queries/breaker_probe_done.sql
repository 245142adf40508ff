-- The end of a trial request, on the session that was granted it.
SELECT breaker_probe_done(%(scope)s, %(worker)s, %(epoch)s, %(result)s, %(fingerprint)s, %(tip)s, %(reason)s,
                          %(policy)s),
       breaker_count(%(scope)s, (%(result)s = 'success')::integer, (%(result)s = 'failure')::integer)
