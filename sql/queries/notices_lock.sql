-- One monitor at a time notes changes, also while one leader follows another.
SELECT pg_advisory_xact_lock(hashtextextended('noggin notices ' || current_schema(), 0))
