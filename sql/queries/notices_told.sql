-- The level last noted of each subject, and the seconds since a person was told anything about it.
SELECT kind, subject, (array_agg(level ORDER BY notice_id DESC))[1] AS level,
       extract(epoch FROM clock_timestamp() - max(created_at) FILTER (WHERE NOT silent))::float8 AS told_ago_s
FROM notices WHERE kind = ANY (%(kinds)s) GROUP BY kind, subject
