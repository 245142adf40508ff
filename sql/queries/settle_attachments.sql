-- Write the attachments of rows that passed the fence; a failure counts, a success starts over.
INSERT INTO attachments AS a (
    record_tip, attachment_tip, attachment_sequence, field_name, filename, file_path, content_type,
    file_size_bytes, file_hash_md5, file_hash_sha256, attachment_status,
    attachment_validation_status, validation_error_message, download_started_at,
    download_completed_at, download_duration_seconds, retry_count, last_error_message, host)
SELECT record_tip, attachment_tip, attachment_sequence, field_name, filename, file_path, content_type,
       file_size_bytes, file_hash_md5, file_hash_sha256, attachment_status,
       attachment_validation_status, validation_error_message, download_started_at,
       download_completed_at, download_duration_seconds,
       (attachment_status = 'failed')::integer, last_error_message, host
FROM jsonb_to_recordset(%(rows)s) AS r (
    record_tip text, attachment_tip text, attachment_sequence integer, field_name text,
    filename text, file_path text, content_type text, file_size_bytes bigint, file_hash_md5 text,
    file_hash_sha256 text, attachment_status text, attachment_validation_status text,
    validation_error_message text, download_started_at timestamptz,
    download_completed_at timestamptz, download_duration_seconds numeric, last_error_message text,
    host text)
ON CONFLICT (record_tip, attachment_tip) DO UPDATE SET
    attachment_sequence = excluded.attachment_sequence,
    field_name = excluded.field_name,
    filename = excluded.filename,
    file_path = excluded.file_path,
    content_type = excluded.content_type,
    file_size_bytes = excluded.file_size_bytes,
    file_hash_md5 = excluded.file_hash_md5,
    file_hash_sha256 = excluded.file_hash_sha256,
    attachment_status = excluded.attachment_status,
    attachment_validation_status = excluded.attachment_validation_status,
    validation_error_message = excluded.validation_error_message,
    download_started_at = excluded.download_started_at,
    download_completed_at = excluded.download_completed_at,
    download_duration_seconds = excluded.download_duration_seconds,
    retry_count = CASE WHEN excluded.attachment_status = 'failed' THEN a.retry_count + 1 ELSE 0 END,
    last_error_message = excluded.last_error_message,
    host = excluded.host,
    updated_at = clock_timestamp()
