-- The files of one record.
SELECT attachment_sequence, attachment_tip, field_name, filename, file_path, attachment_status,
       file_size_bytes, content_type, retry_count, last_error_message, download_completed_at, host
FROM attachments WHERE record_tip = %(tip)s ORDER BY attachment_sequence, attachment_tip
