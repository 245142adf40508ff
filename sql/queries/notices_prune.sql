-- Drop old notices, but never the latest of a subject: it is its state.
DELETE FROM notices n WHERE created_at < clock_timestamp() - make_interval(days => %(days)s)
  AND EXISTS (SELECT FROM notices o WHERE o.kind = n.kind AND o.subject = n.subject AND o.notice_id > n.notice_id)
