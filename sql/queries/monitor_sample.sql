-- The numbers behind the monitor's gauges, as one JSON object; bounded by the caller's deadline.
SELECT jsonb_build_object(
    'queue', (SELECT coalesce(jsonb_agg(jsonb_build_array(state, type, tips)), '[]') FROM (
        SELECT 'ready' AS state, coalesce(d.object_code, 'unknown') AS type, count(*) AS tips
        FROM ready r JOIN noggin_data d ON d.tip = r.tip AND d.gen = r.gen GROUP BY 2
        UNION ALL
        SELECT 'later', coalesce(d.object_code, 'unknown'), count(*)
        FROM later l JOIN noggin_data d ON d.tip = l.tip AND d.gen = l.gen GROUP BY 2
        UNION ALL
        SELECT 'leased', coalesce(d.object_code, 'unknown'), count(*)
        FROM tips_in_flight f JOIN noggin_data d ON d.tip = f.tip GROUP BY 2
        UNION ALL
        SELECT 'dead', coalesce(object_code, 'unknown'), count(*)
        FROM noggin_data WHERE permanently_failed GROUP BY 2) AS counted),
    'oldest_ready_s', (SELECT coalesce(max(extract(epoch FROM clock_timestamp()
                                  - greatest(d.updated_at, d.next_retry_at))), 0)
        FROM generate_series(0, 9) AS p (prio)
        CROSS JOIN LATERAL (   -- the first live entry of each priority
            SELECT n.updated_at, n.next_retry_at
            FROM ready r JOIN noggin_data n ON n.tip = r.tip AND n.gen = r.gen
            WHERE r.prio = p.prio ORDER BY r.prio, r.seq LIMIT 1) AS d),
    'oldest_xmin_s', (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)
        FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND datname = current_database()),
    'dead_tuples', (SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables
        WHERE schemaname = current_schema() AND relname IN ('ready', 'later', 'lease', 'noggin_data')),
    'open_s', (SELECT coalesce(jsonb_object_agg(scope, seconds), '{}') FROM (
        SELECT scope, sum(seconds) AS seconds FROM (
            SELECT scope, seconds FROM breaker_open_spans
            UNION ALL SELECT scope, seconds FROM breaker_open_time) AS spans   -- of events pruned since
        GROUP BY scope) AS summed),
    'connections', (SELECT coalesce(jsonb_object_agg(state, sessions), '{}') FROM (
        SELECT CASE WHEN state IN ('active', 'idle') THEN state
                    WHEN starts_with(state, 'idle in transaction') THEN 'idle_in_transaction'
                    ELSE 'other' END AS state, count(*) AS sessions
        FROM pg_stat_activity WHERE datname = current_database() GROUP BY 1) AS counted),
    'connections_limit', current_setting('max_connections')::integer,
    'hosts', (SELECT coalesce(jsonb_agg(to_jsonb(seen) ORDER BY host), '[]') FROM (
        SELECT host, state, leader, workers, wanted, busy, blocked, parked, version, config_version,
               config_error, silent_s
        FROM fleet_overview) AS seen),
    'unknown_hashes', (SELECT count(*) FROM unknown_hashes WHERE resolved_at IS NULL),
    'import_rows', (SELECT jsonb_build_object(
        'imported', coalesce(sum(rows_imported), 0), 'known', coalesce(sum(rows_known), 0),
        'duplicate', coalesce(sum(rows_duplicate), 0), 'rejected', coalesce(sum(rows_rejected), 0))
        FROM sources),
    'stalled', (SELECT count(*) FROM loader_status WHERE stalled)
)
