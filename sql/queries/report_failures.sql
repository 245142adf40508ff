-- Failures written down in a span of time: how many, of how many TIPs, and how many of these TIPs
-- came through later.
SELECT count(*) AS failures, count(DISTINCT tip) AS failed_tips,
       count(DISTINCT tip) FILTER (WHERE resolved) AS recovered_tips
FROM processing_errors WHERE created_at >= %(start)s AND created_at < %(end)s
