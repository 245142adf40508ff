-- Drop the oldest events and minutes of the breaker's history, at most %(limit)s of each; how many.
WITH events AS (
    DELETE FROM breaker_events WHERE id IN (
        SELECT id FROM breaker_events WHERE ts < clock_timestamp() - make_interval(days => %(days)s)
        ORDER BY ts LIMIT %(limit)s)
    RETURNING 1),
minutes AS (
    DELETE FROM breaker_minutes WHERE (minute, scope) IN (
        SELECT minute, scope FROM breaker_minutes WHERE minute < clock_timestamp() - make_interval(days => %(days)s)
        ORDER BY minute LIMIT %(limit)s)
    RETURNING 1)
SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM minutes) AS minutes
