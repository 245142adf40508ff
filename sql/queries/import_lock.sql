-- Wait for the import lock: two files that share TIPs in different order would deadlock.
SELECT pg_advisory_xact_lock(hashtextextended('noggin import ' || current_schema(), 0))
