-- Failures for an export, by the type of their record; {columns} are checked names of columns.
SELECT {columns} FROM processing_errors
WHERE (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
  AND (%(types)s::text[] IS NULL OR tip IN (
      SELECT tip FROM noggin_data
      WHERE lower(object_code) = ANY (%(types)s) OR lower(object_type) = ANY (%(types)s)))
  AND (%(status)s::text IS NULL OR error_type = %(status)s)
ORDER BY created_at, error_id
