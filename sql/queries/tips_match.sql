-- TIPs by status, error text, type and age, the last changed first; a null limit means all.
SELECT tip, gen FROM noggin_data
WHERE (%(status)s::text IS NULL OR processing_status = %(status)s)
  AND (NOT %(dead)s OR permanently_failed)
  AND (%(error)s::text IS NULL OR strpos(lower(last_error_message), lower(%(error)s)) > 0)
  AND (%(types)s::text[] IS NULL OR lower(object_code) = ANY (%(types)s) OR lower(object_type) = ANY (%(types)s))
  AND (%(since)s::timestamptz IS NULL OR updated_at >= %(since)s)
ORDER BY updated_at DESC, tip
LIMIT %(limit)s
