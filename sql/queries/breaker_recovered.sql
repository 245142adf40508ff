-- A worker's streak of failures has ended.
SELECT breaker_recovered(%(scope)s, %(worker)s, %(epoch)s, %(ok)s, %(slow)s, %(ok_age_s)s, %(policy)s),
       breaker_count(%(scope)s, %(ok)s, 0)
