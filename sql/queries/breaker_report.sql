-- A failed request: counted, decided upon, and who pays for it.
SELECT breaker_report(%(scope)s, %(worker)s, %(epoch)s, %(tip)s, %(reason)s, %(ok)s, %(failed)s, %(slow)s,
                      %(ok_age_s)s, %(policy)s),
       breaker_count(%(scope)s, %(ok)s, %(failed)s)
