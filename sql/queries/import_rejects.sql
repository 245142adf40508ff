-- The rejected rows of a source, in the order of its file.
SELECT row_number, reason, raw, resolved FROM failed_records
WHERE source_id = %(source_id)s ORDER BY row_number LIMIT %(limit)s
