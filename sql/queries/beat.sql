-- A worker's heartbeat with its votes; what its gate and its loop must know comes back.
SELECT beat(%(host)s, %(slot)s, %(instance)s, %(boot)s, %(pid)s, %(state)s, %(busy)s, %(tip)s, %(votes)s),
       breaker_count_votes(%(votes)s)
