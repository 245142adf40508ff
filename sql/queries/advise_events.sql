-- What the breaker did in the last seconds, the oldest first, as `breaker advise` weighs it.
SELECT host, scope, event_type, extract(epoch FROM ts)::float AS at_s, details->>'result' AS result,
       details->>'decision' AS decision, (details->>'seconds')::float AS seconds
FROM breaker_events
WHERE ts >= clock_timestamp() - make_interval(secs => %(window_s)s)
  AND event_type IN ('trip', 'open', 'half_open', 'probe', 'close', 'pause', 'force', 'reset')
ORDER BY id
