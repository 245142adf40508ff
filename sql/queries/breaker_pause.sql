-- A 429 or its like: the whole fleet waits.
SELECT breaker_pause(%(scope)s, %(worker)s, %(seconds)s, %(tip)s, %(reason)s)
