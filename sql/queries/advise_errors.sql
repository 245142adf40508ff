-- Failures that were written down in the last seconds, by role and reason, the most frequent first.
SELECT CASE error_type WHEN 'attachment_failed' THEN 'media' ELSE 'api' END AS role,
       coalesce(error_details->>'reason', 'unknown') AS reason, count(*) AS failures
FROM processing_errors
WHERE created_at >= clock_timestamp() - make_interval(secs => %(window_s)s)
  AND error_type IN ('api_failed', 'attachment_failed')
GROUP BY 1, 2
ORDER BY 3 DESC, 1, 2
