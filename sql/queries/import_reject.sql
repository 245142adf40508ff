-- Rejected rows of a source.
COPY failed_records (source_id, row_number, reason, raw) FROM STDIN
