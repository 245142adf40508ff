-- A chunk of slots for one worker, as seconds from now.
SELECT pacing_reserve(%(scope)s, %(intervals)s, %(bursts)s, %(adaptive)s, %(n)s, %(horizon_s)s, %(chunk_s)s)
