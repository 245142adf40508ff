-- A source is loaded; its counts.
UPDATE sources SET status = 'loaded', rows_read = %(read)s, rows_imported = %(imported)s,
    rows_known = %(known)s, rows_duplicate = %(duplicates)s, rows_rejected = %(rejected)s,
    last_row = %(last_row)s, progress_at = clock_timestamp(), finished_at = clock_timestamp()
WHERE source_id = %(source_id)s
