-- How many requests there were, by scope and minute: what `breaker advise` weighs trips and 429s
-- against. Written by the workers' beats and reports, in the same statement and transaction.

CREATE TABLE breaker_minutes (
    minute    timestamptz NOT NULL,
    scope     text NOT NULL,                  -- host:role; pauses are the host's
    ok        bigint NOT NULL DEFAULT 0,
    failed    bigint NOT NULL DEFAULT 0,
    throttled bigint NOT NULL DEFAULT 0,      -- 429
    paused    bigint NOT NULL DEFAULT 0,      -- 503 with Retry-After
    PRIMARY KEY (minute, scope)
) WITH (fillfactor = 50);
COMMENT ON TABLE breaker_minutes IS
    'Requests that say something about the API''s health, by scope and minute; not 403, 404, 410, 451.';

-- Adds requests of one scope to the current minute.
CREATE FUNCTION breaker_count(
    p_scope text, p_ok bigint, p_failed bigint, p_throttled bigint DEFAULT 0, p_paused bigint DEFAULT 0
) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT AS $$
    INSERT INTO breaker_minutes AS m (minute, scope, ok, failed, throttled, paused)
    SELECT date_trunc('minute', clock_timestamp()), p_scope, p_ok, p_failed, p_throttled, p_paused
    WHERE p_ok + p_failed + p_throttled + p_paused > 0
    ON CONFLICT (minute, scope) DO UPDATE SET
        ok = m.ok + EXCLUDED.ok, failed = m.failed + EXCLUDED.failed,
        throttled = m.throttled + EXCLUDED.throttled, paused = m.paused + EXCLUDED.paused
$$;

-- Adds the votes of a beat; in the order of scopes, as beat() locks them.
CREATE FUNCTION breaker_count_votes(p_votes jsonb) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT AS $$
    INSERT INTO breaker_minutes AS m (minute, scope, ok, failed)
    SELECT date_trunc('minute', clock_timestamp()), v->>'scope', sum((v->>'ok')::bigint), sum((v->>'failed')::bigint)
    FROM jsonb_array_elements(p_votes) AS v
    GROUP BY v->>'scope'
    ORDER BY v->>'scope'
    ON CONFLICT (minute, scope) DO UPDATE SET ok = m.ok + EXCLUDED.ok, failed = m.failed + EXCLUDED.failed
$$;
