-- The import lock if it is free, without waiting.
SELECT pg_try_advisory_xact_lock(hashtextextended('noggin import ' || current_schema(), 0))
