-- Seconds since a TIP was last finished (null: never), and how many rejected input rows are open.
SELECT
    (SELECT extract(epoch FROM clock_timestamp() - updated_at)::float8 FROM noggin_data
     WHERE processing_status IN ('complete', 'partial', 'not_found')
     ORDER BY updated_at DESC LIMIT 1),
    (SELECT count(*) FROM failed_records WHERE NOT resolved)
