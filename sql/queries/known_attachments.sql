-- What was already downloaded for a record, to verify and keep.
SELECT attachment_tip, filename, file_path, file_size_bytes, file_hash_sha256, file_hash_md5, content_type,
       download_started_at, download_completed_at, download_duration_seconds, host
FROM attachments WHERE record_tip = %(tip)s AND attachment_status = 'complete'
