-- Records for an export; {columns} are checked names of columns.
SELECT {columns} FROM noggin_data
WHERE (%(since)s::timestamptz IS NULL OR updated_at >= %(since)s)
  AND (%(types)s::text[] IS NULL OR lower(object_code) = ANY (%(types)s) OR lower(object_type) = ANY (%(types)s))
  AND (%(status)s::text IS NULL OR processing_status = %(status)s)
ORDER BY updated_at, tip
