-- Failures of a span of time in groups of kind and reason, the most frequent first; without a
-- reason the message counts, numbers and hashes folded.
SELECT error_type, reason, count(*) AS failures, count(DISTINCT tip) AS tips,
       count(*) FILTER (WHERE NOT resolved) AS unresolved, max(created_at) AS last_at,
       (array_agg(error_message ORDER BY created_at DESC))[1] AS latest
FROM (
    SELECT tip, error_type, error_message, resolved, created_at,
           coalesce(error_details->>'reason', left(regexp_replace(
               coalesce(error_message, ''), '[0-9a-fA-F]{16,}|[0-9]+', '#', 'g'), 80)) AS reason
    FROM processing_errors WHERE created_at >= %(start)s AND created_at < %(end)s
) AS f
GROUP BY error_type, reason ORDER BY failures DESC, error_type, reason LIMIT %(limit)s
