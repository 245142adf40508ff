-- Drop the oldest events and minutes of the breaker's history, at most %(limit)s of each; how many. The newest
-- change of a scope stays, for it says since when; the open time of the others is carried over.
WITH doomed AS MATERIALIZED (
    SELECT e.id FROM breaker_events e
    WHERE e.ts < clock_timestamp() - make_interval(days => %(days)s)
      AND (e.new_state IS NULL OR EXISTS (
          SELECT FROM breaker_events n WHERE n.scope = e.scope AND n.id > e.id AND n.new_state IS NOT NULL))
    ORDER BY e.id LIMIT %(limit)s),
carried AS (
    INSERT INTO breaker_open_time AS t (scope, seconds)
    SELECT s.scope, sum(s.seconds) FROM breaker_open_spans s JOIN doomed USING (id) GROUP BY s.scope
    ON CONFLICT (scope) DO UPDATE SET seconds = t.seconds + EXCLUDED.seconds
    RETURNING 1),
events AS (
    DELETE FROM breaker_events WHERE id IN (SELECT id FROM doomed)
    RETURNING 1),
minutes AS (
    DELETE FROM breaker_minutes WHERE (minute, scope) IN (
        SELECT minute, scope FROM breaker_minutes WHERE minute < clock_timestamp() - make_interval(days => %(days)s)
        ORDER BY minute LIMIT %(limit)s)
    RETURNING 1)
SELECT (SELECT count(*) FROM events) AS events, (SELECT count(*) FROM minutes) AS minutes
