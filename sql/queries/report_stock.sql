-- What there is now: TIPs finished in the last hour, complete files and their bytes, size of the database.
SELECT (SELECT count(*) FROM noggin_data
        WHERE updated_at >= now() - interval '1 hour'
          AND last_retry_at >= now() - interval '1 hour'
          AND (processing_status IN ('complete', 'not_found') OR permanently_failed)) AS finished,
       a.files, a.size_bytes, pg_database_size(current_database()) AS database_bytes
FROM (SELECT count(*) AS files, coalesce(sum(file_size_bytes), 0)::bigint AS size_bytes
      FROM attachments WHERE attachment_status = 'complete') AS a
