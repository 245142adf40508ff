-- Attachments completed in a span of time, by its parts: files, bytes, seconds of downloading.
-- A download takes less than a day, which lets the index on its start be used.
SELECT width_bucket(download_completed_at, %(edges)s::timestamptz[]) - 1 AS part, count(*) AS files,
       coalesce(sum(file_size_bytes), 0)::bigint AS size_bytes,
       coalesce(sum(download_duration_seconds), 0)::float8 AS seconds
FROM attachments
WHERE attachment_status = 'complete'
  AND download_started_at >= %(start)s::timestamptz - interval '1 day' AND download_started_at < %(end)s
  AND download_completed_at >= %(start)s AND download_completed_at < %(end)s
GROUP BY 1
ORDER BY 1
