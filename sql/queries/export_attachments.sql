-- Attachments for an export, by the type of their record; {columns} are checked names of columns.
SELECT {columns} FROM attachments
WHERE (%(since)s::timestamptz IS NULL OR updated_at >= %(since)s)
  AND (%(types)s::text[] IS NULL OR record_tip IN (
      SELECT tip FROM noggin_data
      WHERE lower(object_code) = ANY (%(types)s) OR lower(object_type) = ANY (%(types)s)))
  AND (%(status)s::text IS NULL OR attachment_status = %(status)s)
ORDER BY record_tip, attachment_sequence, attachment_tip
