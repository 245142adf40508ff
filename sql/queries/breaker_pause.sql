-- A 429 or its like: the whole fleet waits.
SELECT breaker_pause(%(scope)s, %(worker)s, %(seconds)s, %(tip)s, %(reason)s),
       breaker_count(%(scope)s, 0, 0, (%(reason)s = 'http_429')::integer, (%(reason)s <> 'http_429')::integer)
