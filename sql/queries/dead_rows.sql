-- Rejected input rows that nobody has dealt with, the latest first; by id, text of the reason, or age.
SELECT f.failed_record_id AS row_id, 'row:' || f.failed_record_id AS id, s.filename, f.source_id, f.row_number,
       f.reason, f.raw, f.created_at
FROM failed_records f LEFT JOIN sources s USING (source_id)
WHERE NOT f.resolved
  AND (%(ids)s::bigint[] IS NULL OR f.failed_record_id = ANY (%(ids)s))
  AND (%(error)s::text IS NULL OR strpos(lower(f.reason), lower(%(error)s)) > 0)
  AND (%(since)s::timestamptz IS NULL OR f.created_at >= %(since)s)
ORDER BY f.failed_record_id DESC
LIMIT %(limit)s
