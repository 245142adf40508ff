-- The whole schema as the migrations leave it, for reading. Databases are made by the migrations
-- (noggin-mp db migrate), never from this file; a test holds the two equal.
-- Written by: python -m tests.support.schema_dump

SET check_function_bodies = false;

CREATE SCHEMA noggin_schema;

CREATE FUNCTION noggin_schema.beat(p_host text, p_slot integer, p_instance uuid, p_boot bigint, p_pid integer, p_state text, p_busy integer, p_tip text, p_votes jsonb DEFAULT NULL::jsonb) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_worker text := p_host || '/' || p_slot;
    v_vote jsonb;
    v_row breaker_state;
    v_decision record;
    v_fleet jsonb;
BEGIN
    INSERT INTO fleet_workers AS w
        (host, slot, instance, boot, pid, state, busy, tip, started_at, heartbeat_at)
    VALUES (p_host, p_slot, p_instance, p_boot, p_pid, p_state, p_busy, p_tip, v_now, v_now)
    ON CONFLICT (host, slot) DO UPDATE SET
        instance = EXCLUDED.instance, boot = EXCLUDED.boot, pid = EXCLUDED.pid, state = EXCLUDED.state,
        busy = EXCLUDED.busy, tip = EXCLUDED.tip, heartbeat_at = EXCLUDED.heartbeat_at,
        started_at = CASE WHEN w.boot = EXCLUDED.boot THEN w.started_at ELSE EXCLUDED.started_at END
    -- A predecessor that is not quite dead must not sign for its successor.
    WHERE w.boot <= EXCLUDED.boot OR w.heartbeat_at < v_now - interval '10 seconds';

    FOR v_vote IN SELECT * FROM jsonb_array_elements(coalesce(p_votes, '[]'::jsonb)) AS v
                  ORDER BY v->>'scope'   -- one order of locking for all
    LOOP
        v_row := breaker_lock(v_vote->>'scope');
        IF v_row.epoch = (v_vote->>'epoch')::bigint AND breaker_effective(v_row, v_now) = 'closed' THEN
            PERFORM breaker_vote(
                v_row.scope, v_worker, v_row.epoch, (v_vote->>'ok')::integer, (v_vote->>'failed')::integer,
                (v_vote->>'slow')::integer, (v_vote->>'ok_age_s')::double precision,
                (v_vote->>'window_s')::double precision, NULL, v_now);
            IF v_vote->'policy' <> 'null' THEN
                SELECT * INTO v_decision FROM breaker_decide(v_row.scope, v_worker, v_vote->'policy', v_now);
                PERFORM breaker_act(v_row, to_jsonb(v_decision), v_worker, v_vote->'policy', v_now);
            END IF;
        END IF;
    END LOOP;

    v_now := clock_timestamp();
    v_fleet := fleet_view(v_now);
    RETURN jsonb_build_object(
        'now', extract(epoch FROM v_now),
        'paused', v_fleet->>'state' = 'paused', 'pause_reason', CASE WHEN v_fleet->>'state' = 'paused' THEN v_fleet->>'reason' END,
        'head', (SELECT to_jsonb(head) FROM queue_control),
        'suspects', EXISTS (SELECT FROM ready WHERE prio = 9),
        'scopes', (SELECT coalesce(jsonb_agg(breaker_view(b, v_now)), '[]'::jsonb) FROM breaker_state b)
                  || jsonb_build_array(v_fleet));
END
$$;

CREATE TABLE noggin_schema.breaker_state (
    scope text NOT NULL,
    state text DEFAULT 'closed'::text NOT NULL,
    mode text DEFAULT 'enforce'::text NOT NULL,
    epoch bigint DEFAULT 0 NOT NULL,
    until timestamp with time zone,
    paused_until timestamp with time zone,
    open_count integer DEFAULT 0 NOT NULL,
    trial_successes integer DEFAULT 0 NOT NULL,
    probe_owner text,
    probe_lease_until timestamp with time zone,
    probe_tip text,
    probe_failures integer DEFAULT 0 NOT NULL,
    fingerprint text,
    auth_epoch bigint DEFAULT 0 NOT NULL,
    closed_at timestamp with time zone,
    reason text,
    opened_by text,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    tripped_by text,
    tripped_at timestamp with time zone,
    CONSTRAINT breaker_state_known CHECK ((state = ANY (ARRAY['closed'::text, 'open'::text, 'half_open'::text, 'paused'::text, 'auth_stop'::text, 'forced_open'::text]))),
    CONSTRAINT breaker_state_mode_known CHECK ((mode = ANY (ARRAY['enforce'::text, 'observe'::text, 'disabled'::text])))
)
WITH (fillfactor='50');

COMMENT ON TABLE noggin_schema.breaker_state IS 'What every worker of every host obeys. A deadline that has passed needs no writer: see breaker_effective.';

CREATE FUNCTION noggin_schema.breaker_act(p_row noggin_schema.breaker_state, p_decision jsonb, p_worker text, p_policy jsonb, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
DECLARE
    v_last text := coalesce(p_decision->>'last', (
        SELECT note FROM breaker_doubts WHERE scope = p_row.scope AND kind = 'failure' ORDER BY at DESC LIMIT 1));
    v_reason text := CASE p_decision->>'decision'
        WHEN 'trip_streak' THEN format('%s failures in a row', p_decision->>'streak')
        WHEN 'trip_share' THEN format('%s of %s requests failed', p_decision->>'failed', (p_decision->>'ok')::bigint + (p_decision->>'failed')::bigint)
        WHEN 'trip_slow' THEN format('%s of %s requests were slow', p_decision->>'slow', (p_decision->>'ok')::bigint + (p_decision->>'failed')::bigint) END;
BEGIN
    IF v_reason IS NULL OR p_policy->>'mode' = 'disabled' THEN
        RETURN NULL;
    END IF;
    IF p_decision->>'decision' <> 'trip_slow' AND v_last IS NOT NULL THEN
        v_reason := v_reason || ', last ' || v_last;
    END IF;
    DELETE FROM breaker_votes WHERE scope = p_row.scope;
    DELETE FROM breaker_doubts WHERE scope = p_row.scope AND kind = 'failure';
    IF p_policy->>'mode' = 'observe' THEN
        INSERT INTO breaker_events (ts, host, scope, event_type, old_state, new_state, reason, worker, details)
        VALUES (p_now, breaker_host(p_row.scope), p_row.scope, 'would_trip', 'closed', 'closed',
                v_reason, p_worker, p_decision);
        RETURN NULL;
    END IF;
    p_row.mode := p_policy->>'mode';
    p_row := breaker_opened(p_row, p_policy, v_reason, p_worker, p_now);
    p_row.tripped_by := p_worker;
    p_row.tripped_at := greatest(p_now, p_row.tripped_at + interval '1 microsecond');
    RETURN breaker_change(p_row, 'trip', p_worker, p_decision, p_now);
END
$$;

CREATE FUNCTION noggin_schema.breaker_auth_stop(p_scope text, p_worker text, p_epoch bigint, p_fingerprint text, p_tip text, p_reason text, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_row breaker_state := breaker_lock(p_scope);
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_doubt breaker_doubts;
BEGIN
    IF p_epoch < v_row.auth_epoch THEN
        RETURN breaker_view(v_row, v_now) || '{"charge": "stale"}';
    ELSIF breaker_effective(v_row, v_now) NOT IN ('closed', 'paused') THEN
        RETURN breaker_view(v_row, v_now) || '{"charge": "closed"}';
    END IF;
    SELECT * INTO v_doubt FROM breaker_doubts WHERE scope = p_scope AND tip = p_tip AND kind = 'auth';
    IF v_doubt.note = p_fingerprint AND breaker_witnessed(p_scope, v_doubt) THEN
        RETURN breaker_view(v_row, v_now) || '{"charge": "refused"}';
    END IF;
    DELETE FROM breaker_doubts WHERE scope = p_scope AND kind = 'auth' AND at < v_now - interval '1 day';
    INSERT INTO breaker_doubts (scope, tip, kind, at, note)
    VALUES (p_scope, p_tip, 'auth', v_now, p_fingerprint)
    ON CONFLICT (scope, tip, kind) DO UPDATE SET at = EXCLUDED.at, note = EXCLUDED.note;
    v_row.state := 'auth_stop';
    v_row.until := NULL;
    v_row.fingerprint := p_fingerprint;
    v_row.reason := p_reason;
    v_row.opened_by := p_worker;
    RETURN breaker_change(v_row, 'auth_stop', p_worker, jsonb_build_object('tip', p_tip), v_now)
        || '{"charge": "auth_stop"}';
END
$$;

CREATE FUNCTION noggin_schema.breaker_bucket(p_window_s double precision, p_now timestamp with time zone) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT round((floor(extract(epoch FROM p_now)::double precision * 12 / p_window_s) * p_window_s * 1000 / 12))::bigint
$$;

CREATE FUNCTION noggin_schema.breaker_change(p_row noggin_schema.breaker_state, p_event text, p_worker text, p_details jsonb, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    AS $$
DECLARE
    v_old breaker_state;
    v_view jsonb;
BEGIN
    SELECT * INTO v_old FROM breaker_state WHERE scope = p_row.scope;
    UPDATE breaker_state SET
        state = p_row.state, mode = p_row.mode, until = p_row.until,
        epoch = greatest(v_old.epoch + 1, (extract(epoch FROM p_now) * 1000000)::bigint),
        paused_until = p_row.paused_until, open_count = p_row.open_count,
        trial_successes = p_row.trial_successes, probe_owner = p_row.probe_owner,
        probe_lease_until = p_row.probe_lease_until, probe_tip = p_row.probe_tip,
        probe_failures = p_row.probe_failures, fingerprint = p_row.fingerprint,
        auth_epoch = p_row.auth_epoch, closed_at = p_row.closed_at, reason = p_row.reason,
        opened_by = p_row.opened_by, tripped_by = p_row.tripped_by, tripped_at = p_row.tripped_at,
        updated_at = p_now
    WHERE scope = p_row.scope
    RETURNING * INTO p_row;
    IF p_event IS NOT NULL THEN
        INSERT INTO breaker_events (ts, host, scope, event_type, old_state, new_state, reason, worker, details)
        VALUES (p_now, breaker_host(p_row.scope), p_row.scope, p_event,
                breaker_effective(v_old, p_now), breaker_effective(p_row, p_now),
                p_row.reason, p_worker, p_details);
    END IF;
    v_view := breaker_view(p_row, p_now);
    PERFORM pg_notify('noggin_breaker', (v_view || jsonb_build_object('schema', current_schema()))::text);
    RETURN v_view;
END
$$;

CREATE FUNCTION noggin_schema.breaker_closed(p_row noggin_schema.breaker_state, p_now timestamp with time zone) RETURNS noggin_schema.breaker_state
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
    p_row.state := 'closed';
    p_row.until := NULL;
    p_row.open_count := 0;
    p_row.trial_successes := 0;
    p_row.probe_owner := NULL;
    p_row.probe_tip := NULL;
    p_row.probe_failures := 0;
    p_row.fingerprint := NULL;
    p_row.closed_at := p_now;
    p_row.reason := NULL;
    p_row.opened_by := NULL;
    RETURN p_row;
END
$$;

CREATE FUNCTION noggin_schema.breaker_count(p_scope text, p_ok bigint, p_failed bigint, p_throttled bigint DEFAULT 0, p_paused bigint DEFAULT 0) RETURNS void
    LANGUAGE sql
    SET search_path TO 'noggin_schema'
    AS $$
    INSERT INTO breaker_minutes AS m (minute, scope, ok, failed, throttled, paused)
    SELECT date_trunc('minute', clock_timestamp()), p_scope, p_ok, p_failed, p_throttled, p_paused
    WHERE p_ok + p_failed + p_throttled + p_paused > 0
    ON CONFLICT (minute, scope) DO UPDATE SET
        ok = m.ok + EXCLUDED.ok, failed = m.failed + EXCLUDED.failed,
        throttled = m.throttled + EXCLUDED.throttled, paused = m.paused + EXCLUDED.paused
$$;

CREATE FUNCTION noggin_schema.breaker_count_votes(p_votes jsonb) RETURNS void
    LANGUAGE sql
    SET search_path TO 'noggin_schema'
    AS $$
    INSERT INTO breaker_minutes AS m (minute, scope, ok, failed)
    SELECT date_trunc('minute', clock_timestamp()), v->>'scope', sum((v->>'ok')::bigint), sum((v->>'failed')::bigint)
    FROM jsonb_array_elements(p_votes) AS v
    GROUP BY v->>'scope'
    ORDER BY v->>'scope'
    ON CONFLICT (minute, scope) DO UPDATE SET ok = m.ok + EXCLUDED.ok, failed = m.failed + EXCLUDED.failed
$$;

CREATE FUNCTION noggin_schema.breaker_decide(p_scope text, p_worker text, p_policy jsonb, p_now timestamp with time zone) RETURNS TABLE(decision text, streak bigint, own integer, voters bigint, needed bigint, busy bigint, ok bigint, failed bigint, slow bigint)
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
    v_window interval := make_interval(secs => (p_policy->>'window_s')::double precision);
    v_oldest double precision := breaker_bucket((p_policy->>'window_s')::double precision, p_now)
                                 - 11.5 / 12 * 1000 * (p_policy->>'window_s')::double precision;
    v_failing bigint;
    v_limping bigint;
    v_active bigint;
    v_held boolean;
    v_limit bigint;
    v_host text := breaker_host(p_scope);
    v_elsewhere bigint;
    v_alone boolean;     -- only one of the fleet's hosts fails, while another one is well
BEGIN
    SELECT count(*) INTO busy FROM fleet_workers w
    WHERE w.busy > 0 AND w.heartbeat_at > p_now - interval '5 seconds';
    -- In a healthy fleet failures are scattered, and the limit grows with the fleet. What fails in the
    -- host's other role at the same time is no scatter: it takes from that growth, a trip takes all of it.
    SELECT coalesce(sum(v.streak) FILTER (WHERE NOT v.quarantined), 0) INTO v_elsewhere
    FROM breaker_votes v
    WHERE v.scope IN (v_host || ':api', v_host || ':media') AND v.scope <> p_scope AND v.at > p_now - v_window;
    IF EXISTS (SELECT FROM breaker_state b
               WHERE b.scope IN (v_host || ':api', v_host || ':media') AND b.scope <> p_scope
                 AND b.state IN ('open', 'half_open') AND b.tripped_at > p_now - v_window) THEN
        v_elsewhere := busy;
    END IF;
    v_limit := greatest((p_policy->>'fail_max')::bigint, busy - v_elsewhere);

    SELECT coalesce(sum(v.streak) FILTER (WHERE NOT v.quarantined), 0),
           coalesce(max(v.streak) FILTER (WHERE v.worker = p_worker), 0),
           count(*) FILTER (WHERE v.streak > 0 AND NOT v.quarantined),
           count(*) FILTER (WHERE NOT v.quarantined AND v.at > p_now - v_window),
           coalesce(sum(s.ok) FILTER (WHERE NOT v.quarantined), 0),
           coalesce(sum(s.failed) FILTER (WHERE NOT v.quarantined), 0),
           coalesce(sum(s.slow) FILTER (WHERE NOT v.quarantined), 0),
           count(*) FILTER (WHERE s.failed > 0 AND NOT v.quarantined),
           count(*) FILTER (WHERE s.slow > 0 AND NOT v.quarantined),
           coalesce(bool_or(v.quarantined) FILTER (WHERE v.worker = p_worker), false),
           coalesce(count(DISTINCT split_part(v.worker, '/', 1)) FILTER (WHERE v.streak > 0 AND NOT v.quarantined) <= 1
                    AND bool_or(v.streak = 0 AND NOT v.quarantined AND v.ok_at IS NOT NULL
                                AND v.at > p_now - interval '2.5 seconds'
                                AND split_part(v.worker, '/', 1) <> split_part(p_worker, '/', 1)), false)
    INTO streak, own, voters, v_active, ok, failed, slow, v_failing, v_limping, v_held, v_alone
    FROM breaker_votes v
    CROSS JOIN LATERAL (
        SELECT coalesce(sum((e->>1)::bigint), 0) AS ok, coalesce(sum((e->>2)::bigint), 0) AS failed,
               coalesce(sum((e->>3)::bigint), 0) AS slow
        FROM jsonb_array_elements(v.buckets) AS e WHERE (e->>0)::bigint > v_oldest) AS s
    WHERE v.scope = p_scope AND v.at > p_now - 10 * v_window;

    needed := least((p_policy->>'min_voters')::bigint, v_active);
    -- What a lone worker may not do among several, a lone host may not either: the network may be its own.
    v_alone := v_alone AND (p_policy->>'min_voters')::bigint > 1;
    decision := CASE
        WHEN v_held THEN 'quarantine'
        WHEN streak >= v_limit AND voters >= needed AND NOT v_alone THEN 'trip_streak'
        WHEN ok + failed >= (p_policy->>'sample_size')::bigint AND failed > 0 AND v_failing >= needed AND NOT v_alone
             AND failed * 100 >= (p_policy->>'failure_threshold_percent')::numeric * (ok + failed)
            THEN 'trip_share'
        WHEN ok + failed >= (p_policy->>'sample_size')::bigint AND slow > 0 AND v_limping >= needed
             AND slow * 100 >= (p_policy->>'slow_threshold_percent')::numeric * (ok + failed)
            THEN 'trip_slow'
        WHEN own >= v_limit THEN 'quarantine'
        ELSE 'none' END;
    RETURN NEXT;
END
$$;

CREATE FUNCTION noggin_schema.breaker_effective(p_row noggin_schema.breaker_state, p_now timestamp with time zone) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT CASE
        WHEN p_row.state = 'forced_open' AND p_row.until <= p_now
             OR p_row.state = 'paused' THEN
            CASE WHEN p_row.paused_until > p_now THEN 'paused' ELSE 'closed' END
        ELSE p_row.state END
$$;

CREATE FUNCTION noggin_schema.breaker_forbidden(p_scope text, p_worker text, p_epoch bigint, p_fingerprint text, p_tip text, p_ok_age_s double precision, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_row breaker_state := breaker_lock(p_scope);
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_ok_at timestamptz;
    v_tips bigint;
BEGIN
    IF p_epoch < v_row.auth_epoch THEN
        RETURN breaker_view(v_row, v_now) || '{"charge": "stale"}';
    ELSIF breaker_effective(v_row, v_now) NOT IN ('closed', 'paused') THEN
        RETURN breaker_view(v_row, v_now) || '{"charge": "closed"}';
    END IF;
    SELECT greatest(max(ok_at), v_now - make_interval(secs => p_ok_age_s)) INTO v_ok_at
    FROM breaker_votes WHERE scope IN (p_scope || ':api', p_scope || ':media');
    DELETE FROM breaker_doubts WHERE scope = p_scope AND kind = 'forbidden'
        AND (note <> p_fingerprint OR at < v_now - CASE tip WHEN '' THEN interval '1 minute' ELSE interval '15 minutes' END
             OR tip <> '' AND at <= v_ok_at);
    INSERT INTO breaker_doubts (scope, tip, kind, worker, at, note)
    VALUES (p_scope, p_tip, 'forbidden', p_worker, v_now, p_fingerprint)
    ON CONFLICT (scope, tip, kind) DO UPDATE SET at = EXCLUDED.at, note = EXCLUDED.note;
    SELECT count(*) INTO v_tips FROM breaker_doubts WHERE scope = p_scope AND kind = 'forbidden' AND tip <> '';
    IF v_tips < 5 THEN
        RETURN breaker_view(v_row, v_now) || '{"charge": "forbidden"}';
    END IF;
    IF EXISTS (SELECT FROM breaker_doubts WHERE scope = p_scope AND kind = 'forbidden' AND tip = '')
       OR NOT EXISTS (SELECT FROM noggin_data WHERE processing_status = 'complete') THEN
        DELETE FROM breaker_doubts WHERE scope = p_scope AND kind = 'forbidden' AND tip <> '';
        RETURN breaker_view(v_row, v_now) || '{"charge": "forbidden"}';
    END IF;
    v_row.state := 'auth_stop';
    v_row.until := NULL;
    v_row.fingerprint := '';
    v_row.reason := format('%s records in a row were forbidden: is it the token?', v_tips);
    v_row.opened_by := p_worker;
    RETURN breaker_change(v_row, 'auth_stop', p_worker, jsonb_build_object('tip', p_tip, 'forbidden', v_tips), v_now)
        || '{"charge": "auth_stop"}';
END
$$;

CREATE FUNCTION noggin_schema.breaker_force(p_scope text, p_verb text, p_seconds double precision, p_who text, p_reason text) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_row breaker_state := breaker_lock(p_scope);
    v_now timestamptz := clock_timestamp();
    v_view jsonb;
BEGIN
    IF p_verb = 'open' THEN
        DELETE FROM breaker_votes WHERE scope = p_scope;   -- they were cast in an epoch that ends here
        v_row.state := 'forced_open';
        v_row.open_count := 0;
        v_row.trial_successes := 0;
        v_row.until := v_now + make_interval(secs => p_seconds);
        v_row.probe_owner := NULL;   -- not the lease: its request may be in flight still
        v_row.fingerprint := NULL;
        v_row.reason := p_reason;
        v_row.opened_by := p_who;
        v_view := breaker_change(v_row, 'force', p_who, jsonb_build_object('seconds', p_seconds), v_now);
    ELSIF p_verb IN ('close', 'reset') THEN
        DELETE FROM breaker_votes WHERE scope = p_scope;
        DELETE FROM breaker_doubts WHERE scope = p_scope AND (kind IN ('failure', 'forbidden') OR p_verb = 'reset');
        v_row := breaker_closed(v_row, v_now);
        v_row.paused_until := NULL;
        v_row.auth_epoch := v_row.epoch + 1;
        IF p_verb = 'reset' THEN
            v_row.closed_at := NULL;
        END IF;
        v_view := breaker_change(v_row, p_verb, p_who, jsonb_build_object('reason', p_reason), v_now);
    ELSE
        RAISE EXCEPTION 'breaker_force: unknown verb %', p_verb;
    END IF;
    INSERT INTO audit_log (who, action, target, reason, affected, details)
    VALUES (p_who, 'breaker ' || p_verb, p_scope, p_reason, 1, v_view);
    RETURN v_view;
END
$$;

CREATE FUNCTION noggin_schema.breaker_host(p_scope text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $_$ SELECT regexp_replace(p_scope, ':(api|media)$', '') $_$;

CREATE FUNCTION noggin_schema.breaker_key(p_scope text, p_purpose integer) RETURNS bigint
    LANGUAGE sql STABLE
    AS $$
    SELECT hashtextextended('noggin_breaker:' || current_schema() || ':' || p_scope, p_purpose)
$$;

CREATE FUNCTION noggin_schema.breaker_lock(p_scope text) RETURNS noggin_schema.breaker_state
    LANGUAGE plpgsql
    AS $$
DECLARE
    v_row breaker_state;
BEGIN
    PERFORM pg_advisory_xact_lock(breaker_key(p_scope, 1));
    SELECT * INTO v_row FROM breaker_state WHERE scope = p_scope;
    IF NOT FOUND THEN
        INSERT INTO breaker_state (scope) VALUES (p_scope) RETURNING * INTO v_row;
    END IF;
    RETURN v_row;
END
$$;

CREATE FUNCTION noggin_schema.breaker_open_seconds(p_policy jsonb, p_open_count integer, p_random double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    AS $$
    -- The exponent is bounded: beyond it every sensible policy has reached its cap.
    SELECT least((p_policy->>'open_max_s')::double precision,
        (p_policy->>'open_duration_s')::double precision
        * power((p_policy->>'open_multiplier')::double precision, least(greatest(p_open_count, 1) - 1, 60))
        * (1 + (p_policy->>'open_jitter')::double precision * (2 * p_random - 1)))
$$;

CREATE FUNCTION noggin_schema.breaker_opened(p_row noggin_schema.breaker_state, p_policy jsonb, p_reason text, p_worker text, p_now timestamp with time zone) RETURNS noggin_schema.breaker_state
    LANGUAGE plpgsql
    AS $$
BEGIN
    p_row.open_count := p_row.open_count + 1;
    p_row.state := 'open';
    p_row.until := p_now + make_interval(secs => breaker_open_seconds(p_policy, p_row.open_count, random()));
    p_row.trial_successes := 0;
    p_row.probe_owner := NULL;
    p_row.closed_at := NULL;
    p_row.reason := p_reason;
    p_row.opened_by := p_worker;
    RETURN p_row;
END
$$;

CREATE FUNCTION noggin_schema.breaker_pause(p_scope text, p_worker text, p_seconds double precision, p_tip text, p_reason text, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_row breaker_state := breaker_lock(p_scope);
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_until timestamptz := v_now + make_interval(secs => p_seconds);
    v_old timestamptz := v_row.paused_until;
    v_view jsonb;
    v_doubt breaker_doubts;
BEGIN
    IF v_old IS NULL OR v_old < v_until THEN
        v_row.paused_until := v_until;
        IF breaker_effective(v_row, v_now) IN ('closed', 'paused') THEN
            v_row.state := 'paused';
            v_row.reason := p_reason;
            v_row.opened_by := p_worker;
        END IF;
        -- The 429s of all requests in flight push the end a little further each: that is one pause.
        v_view := breaker_change(
            v_row, CASE WHEN v_old > v_now AND v_until < v_old + interval '1 second' THEN NULL ELSE 'pause' END,
            p_worker, jsonb_build_object('seconds', p_seconds, 'tip', p_tip), v_now);
    ELSE
        v_view := breaker_view(v_row, v_now);
    END IF;
    DELETE FROM breaker_doubts WHERE scope = p_scope AND kind = 'pause' AND at < v_now - interval '1 day';
    INSERT INTO breaker_doubts AS d (scope, tip, kind, at, note) VALUES (p_scope, p_tip, 'pause', v_now, p_reason)
    ON CONFLICT (scope, tip, kind) DO UPDATE SET failures = d.failures + 1
    RETURNING * INTO v_doubt;
    RETURN v_view || jsonb_build_object('charge', CASE
        WHEN v_doubt.failures >= 3 AND breaker_witnessed(p_scope, v_doubt) THEN 'throttled' ELSE 'paused' END);
END
$$;

CREATE FUNCTION noggin_schema.breaker_probe_done(p_scope text, p_worker text, p_epoch bigint, p_result text, p_fingerprint text, p_tip text, p_reason text, p_policy jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_row breaker_state := breaker_lock(p_scope);
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_event text := 'probe';
    v_charge text := 'probe';
    v_refused text[] := string_to_array(v_row.fingerprint, ' ');
    v_only_asked boolean;
    v_details jsonb := jsonb_build_object('result', p_result, 'reason', p_reason, 'tip', p_tip);
BEGIN
    IF v_row.state <> 'half_open' OR v_row.epoch <> p_epoch OR v_row.probe_owner IS DISTINCT FROM p_worker THEN
        IF pg_advisory_unlock(breaker_key(p_scope, 2)) THEN   -- the lease is this trial's as well
            UPDATE breaker_state SET probe_lease_until = NULL WHERE scope = p_scope;
        END IF;
        RETURN breaker_view(v_row, v_now) || '{"charge": "stale"}';
    END IF;
    v_row.probe_owner := NULL;
    v_row.probe_lease_until := NULL;
    IF v_row.fingerprint IS NOT NULL THEN   -- the trial of a new token
        IF p_result = 'success' THEN
            v_only_asked := v_row.fingerprint = '';
            v_row := breaker_closed(v_row, v_now);
            v_row.auth_epoch := p_epoch + 1;
            v_event := 'close';
            DELETE FROM breaker_doubts WHERE scope = p_scope AND kind = 'forbidden';
            IF v_only_asked THEN   -- the token is fine and was all the time: no ramp, and not again soon
                v_row.closed_at := NULL;
                INSERT INTO breaker_doubts (scope, tip, kind, worker, at, note)
                VALUES (p_scope, '', 'forbidden', p_worker, v_now, p_fingerprint);
            END IF;
        ELSIF p_result = 'refused' THEN
            v_row.state := 'auth_stop';
            v_event := 'auth_stop';
            v_row.until := NULL;
            v_row.reason := p_reason;
            -- All that were refused are remembered: hosts take up a new token one after another, and
            -- must not try the old one again because somebody else had tried a third.
            v_row.fingerprint := array_to_string(
                v_refused[greatest(1, cardinality(v_refused) - 6):] || p_fingerprint, ' ');
        ELSE   -- nothing learned: the same token may be tried again, but not in a loop
            v_row.state := 'auth_stop';
            v_event := 'auth_stop';
            v_row.until := v_now + interval '5 seconds';
        END IF;
    ELSIF p_result = 'success' THEN
        v_row.trial_successes := v_row.trial_successes + 1;
        IF v_row.trial_successes >= (p_policy->>'success_threshold')::integer THEN
            DELETE FROM breaker_votes WHERE scope = p_scope;
            v_row := breaker_closed(v_row, v_now);
            v_event := 'close';
        END IF;
    ELSIF p_result = 'failure' THEN
        IF breaker_unconnected(p_reason) THEN
            NULL;
        ELSIF p_tip IS NOT DISTINCT FROM v_row.probe_tip THEN
            v_row.probe_failures := v_row.probe_failures + 1;
            v_charge := CASE WHEN v_row.probe_failures >= 3 THEN 'alone' ELSE v_charge END;
        ELSE
            v_row.probe_tip := p_tip;
            v_row.probe_failures := 1;
        END IF;
        v_row := breaker_opened(v_row, p_policy, 'a trial request failed: ' || p_reason, p_worker, v_now);
        v_event := 'open';
    END IF;
    PERFORM pg_advisory_unlock(breaker_key(p_scope, 2));
    RETURN breaker_change(v_row, v_event, p_worker, v_details, v_now) || jsonb_build_object('charge', v_charge);
END
$$;

CREATE FUNCTION noggin_schema.breaker_recovered(p_scope text, p_worker text, p_epoch bigint, p_ok integer, p_slow integer, p_ok_age_s double precision, p_policy jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_row breaker_state := breaker_lock(p_scope);
BEGIN
    IF v_row.epoch = p_epoch THEN
        PERFORM breaker_vote(p_scope, p_worker, p_epoch, p_ok, 0, p_slow, p_ok_age_s,
                             (p_policy->>'window_s')::double precision, 0, coalesce(p_now, clock_timestamp()));
    END IF;
    RETURN breaker_view(v_row, coalesce(p_now, clock_timestamp()));
END
$$;

CREATE FUNCTION noggin_schema.breaker_report(p_scope text, p_worker text, p_epoch bigint, p_tip text, p_reason text, p_ok integer, p_failed integer, p_slow integer, p_ok_age_s double precision, p_policy jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_row breaker_state := breaker_lock(p_scope);
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_window double precision := (p_policy->>'window_s')::double precision;
    v_decision record;
    v_view jsonb;
    v_doubt breaker_doubts;
    v_home text := split_part(p_worker, '/', 1);
    v_own boolean;       -- has this worker succeeded since the TIP's earlier failure, one of its host, anybody?
    v_near boolean;
    v_any boolean;
    v_charge text;
BEGIN
    IF v_row.epoch <> p_epoch THEN
        RETURN breaker_view(v_row, v_now) || '{"charge": "stale"}';
    ELSIF breaker_effective(v_row, v_now) <> 'closed' THEN
        RETURN breaker_view(v_row, v_now) || '{"charge": "closed"}';
    END IF;
    PERFORM breaker_vote(p_scope, p_worker, p_epoch, p_ok, p_failed, p_slow, p_ok_age_s, v_window, 1, v_now);
    SELECT * INTO v_decision FROM breaker_decide(p_scope, p_worker, p_policy, v_now);
    v_view := breaker_act(v_row, to_jsonb(v_decision) || jsonb_build_object('last', p_reason), p_worker, p_policy, v_now);
    IF v_view IS NOT NULL THEN
        RETURN v_view || '{"charge": "tripped"}';
    ELSIF v_decision.decision = 'quarantine' AND p_policy->>'mode' = 'enforce' THEN
        UPDATE breaker_votes SET quarantined = true
        WHERE scope = p_scope AND worker = p_worker AND NOT quarantined;
        IF FOUND THEN
            INSERT INTO breaker_events (ts, host, scope, event_type, old_state, new_state, reason, worker, details)
            VALUES (v_now, breaker_host(p_scope), p_scope, 'quarantine', 'closed', 'closed', p_reason, p_worker,
                    to_jsonb(v_decision));
        END IF;
        RETURN breaker_view(v_row, v_now) || '{"charge": "quarantine"}';
    END IF;

    -- When the host's other role tripped or closed since, the failure was of that outage, and what
    -- succeeded afterwards is no witness against the TIP. This role's own trips show in its epoch.
    DELETE FROM breaker_doubts WHERE scope = p_scope AND kind = 'failure'
        AND (epoch <> p_epoch OR at < v_now - interval '15 minutes'
             OR at < (SELECT max(ts) FROM breaker_events
                      WHERE ts > v_now - interval '15 minutes' AND host = breaker_host(p_scope)
                        AND event_type IN ('trip', 'close')));
    SELECT * INTO v_doubt FROM breaker_doubts WHERE scope = p_scope AND tip = p_tip AND kind = 'failure';
    SELECT coalesce(bool_or(worker = p_worker), false),
           coalesce(bool_or(split_part(worker, '/', 1) = v_home), false), count(*) > 0
    INTO v_own, v_near, v_any
    FROM breaker_votes WHERE scope = p_scope AND epoch = p_epoch AND ok_at > v_doubt.at;
    v_charge := CASE
        WHEN breaker_unconnected(p_reason) THEN 'unconnected'
        WHEN v_doubt.failures IS NULL THEN 'doubt'
        WHEN v_own OR v_near AND v_doubt.worker <> p_worker
             OR v_any AND split_part(v_doubt.worker, '/', 1) <> v_home THEN 'witness'
        WHEN v_doubt.failures >= 2 AND NOT v_any THEN 'alone'
        ELSE 'doubt' END;
    IF v_charge = 'unconnected' THEN
        NULL;
    ELSIF v_charge = 'alone' THEN
        UPDATE breaker_doubts SET failures = 0, counted = true, at = v_now
        WHERE scope = p_scope AND tip = p_tip AND kind = 'failure';
        UPDATE breaker_votes SET streak = greatest(1, streak - v_doubt.failures - v_doubt.counted::integer)
        WHERE scope = p_scope AND worker = p_worker;
    ELSE
        INSERT INTO breaker_doubts AS d (scope, tip, kind, worker, epoch, at, note)
        VALUES (p_scope, p_tip, 'failure', p_worker, p_epoch, v_now, p_reason)
        ON CONFLICT (scope, tip, kind) DO UPDATE SET
            failures = CASE WHEN v_charge = 'witness' THEN 1 ELSE d.failures + 1 END,
            worker = CASE WHEN v_charge = 'witness' OR d.worker = p_worker THEN p_worker
                          WHEN split_part(d.worker, '/', 1) = v_home THEN v_home || '/*' ELSE '*' END,
            at = CASE WHEN v_charge = 'witness' THEN v_now ELSE d.at END, note = EXCLUDED.note;
    END IF;
    RETURN breaker_view(v_row, v_now) || jsonb_build_object('charge', v_charge);
END
$$;

CREATE FUNCTION noggin_schema.breaker_try_probe(p_scope text, p_worker text, p_fingerprint text, p_policy jsonb, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_row breaker_state := breaker_lock(p_scope);
    v_now timestamptz := coalesce(p_now, clock_timestamp());
    v_state text := breaker_effective(v_row, v_now);
    v_host breaker_state;
BEGIN
    IF NOT (CASE v_state
        WHEN 'open' THEN v_row.until <= v_now
        WHEN 'auth_stop' THEN breaker_untried(v_row.fingerprint, p_fingerprint)
                              AND coalesce(v_row.until <= v_now, true)
        WHEN 'half_open' THEN v_row.fingerprint IS NULL OR breaker_untried(v_row.fingerprint, p_fingerprint)
        ELSE false END) OR v_row.probe_lease_until > v_now THEN
        RETURN breaker_view(v_row, v_now) || '{"granted": false, "why": "not due"}';
    END IF;
    IF v_row.paused_until > v_now OR fleet_view(v_now)->>'state' = 'paused' THEN
        RETURN breaker_view(v_row, v_now) || '{"granted": false, "why": "paused"}';
    END IF;
    IF breaker_host(p_scope) <> p_scope THEN
        SELECT * INTO v_host FROM breaker_state WHERE scope = breaker_host(p_scope);
        IF FOUND AND breaker_effective(v_host, v_now) <> 'closed' THEN
            RETURN breaker_view(v_row, v_now) || '{"granted": false, "why": "host"}';
        END IF;
    END IF;
    IF NOT pg_try_advisory_lock(breaker_key(p_scope, 2)) THEN
        RETURN breaker_view(v_row, v_now) || '{"granted": false, "why": "held"}';
    END IF;
    v_row.state := 'half_open';
    v_row.until := NULL;
    v_row.probe_owner := p_worker;
    v_row.probe_lease_until := v_now + make_interval(secs => (p_policy->>'probe_deadline_s')::double precision + 1);
    RETURN breaker_change(v_row, CASE WHEN v_state = 'half_open' THEN 'probe' ELSE 'half_open' END,
                          p_worker, NULL, v_now) || '{"granted": true}';
END
$$;

CREATE FUNCTION noggin_schema.breaker_unconnected(p_reason text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT p_reason IN ('dns', 'refused', 'unreachable', 'connect_timeout', 'tls', 'tls_certificate')
$$;

CREATE FUNCTION noggin_schema.breaker_untried(p_refused text, p_fingerprint text) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT p_fingerprint <> '' AND NOT p_fingerprint = ANY (string_to_array(coalesce(p_refused, ''), ' '))
$$;

CREATE FUNCTION noggin_schema.breaker_view(p_row noggin_schema.breaker_state, p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    AS $$
DECLARE
    v_state text := breaker_effective(p_row, p_now);
    v_remaining numeric;
BEGIN
    IF v_state IN ('closed', 'paused') THEN
        v_remaining := 0;
    ELSIF v_state = 'half_open' THEN
        v_remaining := coalesce(greatest(0, extract(epoch FROM p_row.probe_lease_until - p_now)), 0);
    ELSIF p_row.until IS NOT NULL THEN   -- greatest() alone would take an unknown end for 0
        v_remaining := greatest(0, extract(epoch FROM p_row.until - p_now));
    END IF;
    RETURN jsonb_build_object(
        'scope', p_row.scope, 'state', v_state, 'mode', p_row.mode, 'epoch', p_row.epoch,
        'remaining_s', v_remaining,
        'paused_s', coalesce(greatest(0, extract(epoch FROM p_row.paused_until - p_now)), 0),
        'closed_s', extract(epoch FROM p_now - p_row.closed_at),
        'probe_owner', p_row.probe_owner, 'fingerprint', p_row.fingerprint,
        'tripped_by', p_row.tripped_by, 'tripped_at', (extract(epoch FROM p_row.tripped_at) * 1000000)::bigint,
        'reason', left(p_row.reason, 300));
END
$$;

CREATE UNLOGGED TABLE noggin_schema.breaker_votes (
    scope text NOT NULL,
    worker text NOT NULL,
    epoch bigint NOT NULL,
    streak integer DEFAULT 0 NOT NULL,
    quarantined boolean DEFAULT false NOT NULL,
    buckets jsonb DEFAULT '[]'::jsonb NOT NULL,
    at timestamp with time zone NOT NULL,
    ok_at timestamp with time zone
)
WITH (fillfactor='50');

CREATE FUNCTION noggin_schema.breaker_vote(p_scope text, p_worker text, p_epoch bigint, p_ok integer, p_failed integer, p_slow integer, p_ok_age_s double precision, p_window_s double precision, p_streak integer, p_now timestamp with time zone) RETURNS noggin_schema.breaker_votes
    LANGUAGE plpgsql
    AS $$
DECLARE
    v_vote breaker_votes;
    v_bucket bigint := breaker_bucket(p_window_s, p_now);
    v_ok_at timestamptz := p_now - make_interval(secs => p_ok_age_s);
BEGIN
    SELECT * INTO v_vote FROM breaker_votes WHERE scope = p_scope AND worker = p_worker FOR UPDATE;
    IF NOT FOUND OR v_vote.epoch <> p_epoch THEN
        v_vote := ROW(p_scope, p_worker, p_epoch, 0, false, '[]'::jsonb, p_now, NULL)::breaker_votes;
    END IF;
    IF p_streak = 0 THEN
        v_vote.streak := 0;
        v_vote.quarantined := false;
    ELSIF p_streak > 0 THEN
        -- A streak nothing was added to for ten windows is not a streak any more.
        IF v_vote.at <= p_now - make_interval(secs => 10 * p_window_s) THEN
            v_vote.streak := 0;
        END IF;
        v_vote.streak := v_vote.streak + p_streak;
    END IF;
    IF p_ok + p_failed > 0 THEN
        SELECT coalesce(jsonb_agg(b), '[]'::jsonb) INTO v_vote.buckets FROM (
            SELECT jsonb_build_array(n, sum(ok), sum(failed), sum(slow)) AS b FROM (
                SELECT (e->>0)::bigint AS n, (e->>1)::bigint AS ok, (e->>2)::bigint AS failed, (e->>3)::bigint AS slow
                FROM jsonb_array_elements(v_vote.buckets) AS e
                UNION ALL SELECT v_bucket, p_ok, p_failed, p_slow) AS every
            WHERE n > v_bucket - 11.5 / 12 * 1000 * p_window_s AND n <= v_bucket GROUP BY n ORDER BY n) AS kept;
        v_vote.at := p_now;
    END IF;
    v_vote.ok_at := greatest(v_vote.ok_at, v_ok_at);
    INSERT INTO breaker_votes SELECT v_vote.*
    ON CONFLICT (scope, worker) DO UPDATE SET
        epoch = EXCLUDED.epoch, streak = EXCLUDED.streak, quarantined = EXCLUDED.quarantined,
        buckets = EXCLUDED.buckets, at = EXCLUDED.at, ok_at = EXCLUDED.ok_at;
    RETURN v_vote;
END
$$;

CREATE UNLOGGED TABLE noggin_schema.breaker_doubts (
    scope text NOT NULL,
    tip text NOT NULL,
    kind text NOT NULL,
    worker text,
    epoch bigint DEFAULT 0 NOT NULL,
    failures integer DEFAULT 1 NOT NULL,
    counted boolean DEFAULT false NOT NULL,
    at timestamp with time zone NOT NULL,
    note text,
    CONSTRAINT breaker_doubts_kind_check CHECK ((kind = ANY (ARRAY['failure'::text, 'pause'::text, 'auth'::text, 'forbidden'::text])))
);

CREATE FUNCTION noggin_schema.breaker_witnessed(p_host text, p_doubt noggin_schema.breaker_doubts) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT EXISTS (SELECT FROM breaker_votes
                   WHERE scope IN (p_host || ':api', p_host || ':media') AND ok_at > p_doubt.at)
$$;

CREATE FUNCTION noggin_schema.fleet_pause(p_paused boolean, p_seconds double precision, p_who text, p_reason text) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_now timestamptz;
    v_view jsonb;
BEGIN
    PERFORM FROM queue_control FOR UPDATE;
    v_now := clock_timestamp();
    -- updated_at is the version gates compare: it grows even when the clock does not.
    UPDATE queue_control SET
        paused = p_paused, reason = CASE WHEN p_paused THEN p_reason END,
        paused_until = CASE WHEN p_paused THEN v_now + make_interval(secs => p_seconds) END,
        updated_at = greatest(v_now, updated_at + interval '1 microsecond');
    v_view := fleet_view(v_now);
    PERFORM pg_notify('noggin_breaker', v_view::text);
    INSERT INTO audit_log (who, action, target, reason, affected, details)
    VALUES (p_who, CASE WHEN p_paused THEN 'fleet pause' ELSE 'fleet resume' END, 'fleet', p_reason, 1, v_view);
    RETURN v_view;
END
$$;

CREATE FUNCTION noggin_schema.fleet_present(p_host text, p_instance uuid, p_version text, p_output text, p_facts jsonb, p_age_s double precision) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
BEGIN
    UPDATE fleet_hosts SET
        heartbeat_at = v_now, instance = p_instance, version = p_version, output = p_output, facts = p_facts,
        stopped_at = NULL,
        -- Told by the age, which no clock that is set can change; a few seconds are no difference.
        started_at = CASE WHEN abs(extract(epoch FROM v_now - started_at) - p_age_s) < 5 AND stopped_at IS NULL
                          THEN started_at ELSE v_now - make_interval(secs => p_age_s) END
    WHERE host = p_host;
    IF NOT FOUND THEN
        INSERT INTO fleet_hosts (host, instance, version, output, facts, started_at, heartbeat_at)
        VALUES (p_host, p_instance, p_version, p_output, p_facts, v_now - make_interval(secs => p_age_s), v_now)
        ON CONFLICT DO NOTHING;   -- a worker was quicker: the next turn fills it in
    END IF;
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object(
            'id', r.id, 'verb', r.verb, 'args', r.args, 'who', r.who, 'reason', r.reason,
            'expires_in_s', extract(epoch FROM r.expires_at - v_now),
            'late', r.created_at < v_now - make_interval(secs => p_age_s)) ORDER BY r.id), '[]')
        FROM fleet_requests r
        WHERE (r.host = p_host OR r.host IS NULL) AND r.expires_at > v_now
          AND NOT EXISTS (SELECT FROM fleet_answers a
                          WHERE a.request_id = r.id AND a.host = p_host AND a.at IS NOT NULL));
END
$$;

CREATE FUNCTION noggin_schema.fleet_request(verb text, workers integer DEFAULT NULL::integer, host text DEFAULT NULL::text, reason text DEFAULT ''::text, who text DEFAULT SESSION_USER, seconds double precision DEFAULT 120) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
#variable_conflict use_column
DECLARE
    v_known text := (SELECT string_agg(h.host, ', ' ORDER BY h.host) FROM fleet_hosts h);
    v_refused text;
    v_id bigint;
BEGIN
    IF fleet_request.host IS NOT NULL
       AND NOT EXISTS (SELECT FROM fleet_hosts h WHERE h.host = fleet_request.host) THEN
        v_refused := format('no host called %s has ever signed in; known: %s',
                            fleet_request.host, coalesce(v_known, 'none'));
    ELSIF (fleet_request.verb IN ('drain', 'scale', 'reload')) IS NOT TRUE THEN
        v_refused := format('there is no request %s; known: drain, scale, reload',
                            coalesce(fleet_request.verb, 'null'));
    ELSIF fleet_request.verb = 'scale' AND (fleet_request.workers BETWEEN 1 AND 512) IS NOT TRUE THEN
        v_refused := format('workers must be 1 to 512, not %s', coalesce(fleet_request.workers::text, 'null'));
    ELSIF (fleet_request.seconds > 0 AND fleet_request.seconds <= 366 * 86400) IS NOT TRUE THEN
        v_refused := format('seconds must be more than 0 and at most 31622400, not %s',
                            coalesce(fleet_request.seconds::text, 'null'));
    END IF;
    IF v_refused IS NOT NULL THEN
        RAISE EXCEPTION '%', v_refused USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO fleet_requests (verb, args, host, who, reason, expires_at)
    VALUES (fleet_request.verb,
            CASE WHEN fleet_request.workers IS NULL THEN '{}' ELSE jsonb_build_object('workers', fleet_request.workers) END,
            fleet_request.host, coalesce(fleet_request.who, session_user), coalesce(fleet_request.reason, ''),
            clock_timestamp() + make_interval(secs => fleet_request.seconds))
    RETURNING id INTO v_id;
    RETURN v_id;
END
$$;

CREATE FUNCTION noggin_schema.fleet_requested() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
BEGIN
    INSERT INTO audit_log (who, action, target, reason, affected, details)
    VALUES (NEW.who, 'fleet ' || NEW.verb, coalesce(NEW.host, 'all hosts'), nullif(NEW.reason, ''),
            CASE WHEN NEW.host IS NOT NULL THEN 1
                 ELSE (SELECT count(*) FROM fleet_overview WHERE state IN ('up', 'draining', 'silent')) END,
            NEW.args || jsonb_build_object('request', NEW.id));
    PERFORM pg_notify('noggin_fleet', TG_TABLE_SCHEMA);
    RETURN NULL;
END
$$;

CREATE FUNCTION noggin_schema.fleet_view(p_now timestamp with time zone) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
    RETURN (SELECT jsonb_build_object(
        'scope', '*', 'mode', 'enforce', 'schema', current_schema(),
        'state', CASE WHEN paused AND coalesce(paused_until > p_now, true) THEN 'paused' ELSE 'closed' END,
        'epoch', (extract(epoch FROM updated_at) * 1000000)::bigint,
        'remaining_s', 0,
        'paused_s', CASE WHEN NOT paused THEN 0 WHEN paused_until IS NOT NULL
                         THEN greatest(0, extract(epoch FROM paused_until - p_now)) END,
        'reason', left(reason, 300))
    FROM queue_control);
END
$$;

CREATE FUNCTION noggin_schema.noggin_data_before_update() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NEW.processing_status = 'pending' AND OLD.processing_status <> 'pending' THEN
        NEW.permanently_failed := false;
        NEW.next_retry_at := NULL;
        NEW.interruptions := 0;
    END IF;
    IF NEW.gen = OLD.gen
       AND (NEW.processing_status <> OLD.processing_status
            OR NEW.permanently_failed <> OLD.permanently_failed
            OR NEW.next_retry_at IS DISTINCT FROM OLD.next_retry_at
            OR NEW.tip <> OLD.tip) THEN
        NEW.gen := OLD.gen + 1;
    END IF;
    IF NEW.updated_at = OLD.updated_at THEN
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION noggin_schema.noggin_data_file_inserted() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    filed bigint;
BEGIN
    INSERT INTO later (run_at, tip, gen, prio)
    SELECT next_retry_at, tip, gen, queue_prio(processing_status, interruptions, true)
    FROM new_rows
    WHERE queue_due(processing_status, permanently_failed) AND next_retry_at > now();

    INSERT INTO ready (prio, tip, gen)
    SELECT queue_prio(processing_status, interruptions, true), tip, gen
    FROM new_rows
    WHERE queue_due(processing_status, permanently_failed)
      AND (next_retry_at IS NULL OR next_retry_at <= now());
    GET DIAGNOSTICS filed = ROW_COUNT;
    IF filed > 0 THEN
        PERFORM pg_notify('noggin_queue', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION noggin_schema.noggin_data_file_updated() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    SET enable_nestloop TO 'off'
    AS $$
DECLARE
    filed bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM new_rows WHERE queue_due(processing_status, permanently_failed)) THEN
        RETURN NULL;
    END IF;

    INSERT INTO later (run_at, tip, gen, prio)
    SELECT next_retry_at, tip, gen, queue_prio(processing_status, interruptions, false)
    FROM new_rows n
    WHERE queue_due(processing_status, permanently_failed) AND next_retry_at > now()
      AND NOT EXISTS (SELECT FROM old_rows o WHERE o.tip = n.tip AND o.gen = n.gen);

    INSERT INTO ready (prio, tip, gen)
    SELECT queue_prio(processing_status, interruptions, false), tip, gen
    FROM new_rows n
    WHERE queue_due(processing_status, permanently_failed)
      AND (next_retry_at IS NULL OR next_retry_at <= now())
      AND NOT EXISTS (SELECT FROM old_rows o WHERE o.tip = n.tip AND o.gen = n.gen);
    GET DIAGNOSTICS filed = ROW_COUNT;
    IF filed > 0 THEN
        PERFORM pg_notify('noggin_queue', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION noggin_schema.noggin_data_truncated() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
BEGIN
    TRUNCATE ready, later;
    RETURN NULL;
END
$$;

CREATE TABLE noggin_schema.pacing_state (
    scope text NOT NULL,
    intervals double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    bursts integer[] DEFAULT '{}'::integer[] NOT NULL,
    tats double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    last_slot double precision,
    factor double precision DEFAULT 1 NOT NULL,
    factor_at double precision,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT pacing_state_factor_sane CHECK (((factor > (0)::double precision) AND (factor <= (1)::double precision)))
)
WITH (fillfactor='50');

COMMENT ON TABLE noggin_schema.pacing_state IS 'What slots of each paced scope are given out already. Written once per chunk, not per request.';

CREATE FUNCTION noggin_schema.pacing_factor(p_row noggin_schema.pacing_state, p_now double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT least(1::double precision,
        p_row.factor + 0.1::double precision / 60 * greatest(0::double precision, p_now - coalesce(p_row.factor_at, p_now)))
$$;

CREATE FUNCTION noggin_schema.pacing_lock(p_scope text, p_now double precision) RETURNS double precision
    LANGUAGE plpgsql
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('noggin_pacing:' || current_schema() || ':' || p_scope, 0));
    RETURN coalesce(p_now, extract(epoch FROM clock_timestamp())::double precision);
END
$$;

CREATE FUNCTION noggin_schema.pacing_reserve(p_scope text, p_intervals double precision[], p_bursts integer[], p_adaptive boolean, p_n integer, p_horizon_s double precision, p_chunk_s double precision, p_now double precision DEFAULT NULL::double precision) RETURNS jsonb
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_asked timestamptz := clock_timestamp();
    v_now double precision := pacing_lock(p_scope, p_now);
    v_waited numeric := extract(epoch FROM clock_timestamp() - v_asked);
    v_row pacing_state;
    v_known boolean;
    v_factor double precision := 1;
    v_intervals double precision[];
    v_longest double precision := 0;
    v_end double precision := v_now + p_horizon_s;      -- the latest time at which a chunk may begin
    v_latest double precision := v_end + p_chunk_s;     -- and that of any slot
    v_start double precision;
    v_slot double precision;
    v_slots double precision[] := '{}';
BEGIN
    SELECT * INTO v_row FROM pacing_state WHERE scope = p_scope;
    v_known := FOUND;
    IF v_known AND p_adaptive THEN
        v_factor := pacing_factor(v_row, v_now);
    END IF;
    FOR i IN 1 .. cardinality(p_intervals) LOOP
        v_intervals[i] := p_intervals[i] / v_factor;
        v_longest := greatest(v_longest, v_intervals[i]);
    END LOOP;
    IF v_row.last_slot > v_latest THEN   -- no honest slot is that late: the clock was set back
        FOR i IN 1 .. cardinality(v_row.intervals) LOOP
            v_row.tats[i] := least(v_row.tats[i], v_latest + v_row.bursts[i] * (v_row.intervals[i] / v_factor));
        END LOOP;
        UPDATE pacing_state SET tats = v_row.tats, last_slot = v_latest WHERE scope = p_scope;
        v_row.last_slot := v_latest;
    END IF;
    IF NOT v_known OR v_row.intervals <> p_intervals OR v_row.bursts <> p_bursts THEN
        v_start := greatest(v_now, v_row.last_slot + v_longest);   -- a null counts for nothing
        v_row.tats := '{}';
        FOR i IN 1 .. cardinality(p_intervals) LOOP
            v_row.tats[i] := v_start + (p_bursts[i] - 1) * v_intervals[i];
        END LOOP;
    END IF;
    FOR k IN 1 .. greatest(1, least(p_n, floor(p_chunk_s / v_longest))) LOOP
        v_slot := v_now;
        FOR i IN 1 .. cardinality(p_intervals) LOOP
            v_slot := greatest(v_slot, v_row.tats[i] - (p_bursts[i] - 1) * v_intervals[i]);
        END LOOP;
        FOR i IN 1 .. cardinality(p_intervals) LOOP
            v_row.tats[i] := greatest(v_row.tats[i], v_slot) + v_intervals[i];
        END LOOP;
        v_slots := v_slots || v_slot;
    END LOOP;
    IF v_slots[1] > v_end THEN
        RETURN jsonb_build_object('offsets', '[]'::jsonb, 'wait_s', v_slots[1] - v_end, 'waited_s', v_waited);
    END IF;
    INSERT INTO pacing_state AS s (scope, intervals, bursts, tats, last_slot)
    VALUES (p_scope, p_intervals, p_bursts, v_row.tats, v_slot)
    ON CONFLICT (scope) DO UPDATE SET
        intervals = EXCLUDED.intervals, bursts = EXCLUDED.bursts, tats = EXCLUDED.tats,
        last_slot = EXCLUDED.last_slot, updated_at = clock_timestamp();
    RETURN jsonb_build_object(
        'offsets', (SELECT jsonb_agg(slot - v_now ORDER BY slot) FROM unnest(v_slots) AS slot),
        'wait_s', 0, 'waited_s', v_waited);
END
$$;

CREATE FUNCTION noggin_schema.pacing_share(p_scope text, p_worker text, p_cap integer, p_in_flight integer, p_wanted integer, p_ttl_s double precision, p_fresh_s double precision, p_now timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_now timestamptz := to_timestamp(pacing_lock(p_scope, extract(epoch FROM p_now)::double precision));
    v_mine integer := coalesce((SELECT held FROM pacing_places WHERE scope = p_scope AND worker = p_worker
                                                              AND until > v_now), 0);
    v_others record;
    v_allowed integer;
    v_fair integer;
BEGIN
    SELECT coalesce(sum(held), 0)::integer AS held, (count(*) FILTER (WHERE asking))::integer AS asking,
           coalesce(bool_or(asking AND wanted > held), false) AS short,
           coalesce(bool_or(asking AND held = 0), false) AS empty
    INTO v_others
    FROM (SELECT held, wanted, wanted > 0 AND seen_at > v_now - make_interval(secs => p_fresh_s) AS asking
          FROM pacing_places WHERE scope = p_scope AND worker <> p_worker AND until > v_now) AS o;
    v_allowed := least(p_wanted, p_cap - v_others.held);
    IF v_others.short THEN
        v_fair := (p_cap + CASE WHEN v_others.empty THEN 0 ELSE v_others.asking END) / (v_others.asking + 1);
        IF v_mine = 0 THEN
            v_fair := greatest(1, v_fair);
        END IF;
        v_allowed := least(v_allowed, v_fair);
    END IF;
    v_allowed := greatest(0, v_allowed);
    DELETE FROM pacing_places WHERE scope = p_scope AND worker <> p_worker AND until <= v_now;
    INSERT INTO pacing_places AS p (scope, worker, held, wanted, seen_at, until)
    VALUES (p_scope, p_worker, greatest(p_in_flight, v_allowed), p_wanted, v_now,
            v_now + make_interval(secs => p_ttl_s))
    ON CONFLICT (scope, worker) DO UPDATE SET
        held = EXCLUDED.held, wanted = EXCLUDED.wanted, seen_at = EXCLUDED.seen_at, until = EXCLUDED.until;
    RETURN v_allowed;
END
$$;

CREATE FUNCTION noggin_schema.pacing_slow(p_scope text, p_now double precision DEFAULT NULL::double precision) RETURNS double precision
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    v_now double precision := pacing_lock(p_scope, p_now);
    v_row pacing_state;
BEGIN
    SELECT * INTO v_row FROM pacing_state WHERE scope = p_scope;
    IF NOT FOUND OR v_row.factor_at <= v_now AND v_now < v_row.factor_at + 5 THEN
        RETURN coalesce(v_row.factor, 1);
    END IF;
    UPDATE pacing_state SET
        factor = greatest(0.05::double precision, 0.7::double precision * pacing_factor(v_row, v_now)),
        factor_at = v_now, updated_at = clock_timestamp()
    WHERE scope = p_scope
    RETURNING * INTO v_row;
    RETURN v_row.factor;
END
$$;

CREATE FUNCTION noggin_schema.payload_boolean(payload jsonb, field text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE lower(btrim((payload ->> field))) WHEN 'true'::text THEN true WHEN 'yes'::text THEN true WHEN 'y'::text THEN true WHEN '1'::text THEN true WHEN 'false'::text THEN false WHEN 'no'::text THEN false WHEN 'n'::text THEN false WHEN '0'::text THEN false ELSE NULL::boolean END;

COMMENT ON FUNCTION noggin_schema.payload_boolean(payload jsonb, field text) IS 'A field of a record as a boolean; NULL when it is none.';

CREATE FUNCTION noggin_schema.payload_hash(payload jsonb, field text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((payload ->> field) ~* '^[0-9a-f]{64}$'::text) THEN lower((payload ->> field)) ELSE NULL::text END;

COMMENT ON FUNCTION noggin_schema.payload_hash(payload jsonb, field text) IS 'The hash in a field of a record; NULL when it is text.';

CREATE TABLE noggin_schema.entity_hashes (
    hash_value text NOT NULL,
    entity_type text NOT NULL,
    entity_name text NOT NULL,
    source text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE FUNCTION noggin_schema.payload_name(payload jsonb, field text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN CASE WHEN (noggin_schema.payload_hash(payload, field) IS NULL) THEN (payload ->> field) ELSE (SELECT e.entity_name FROM noggin_schema.entity_hashes e WHERE (e.hash_value = noggin_schema.payload_hash(payload_name.payload, payload_name.field))) END;

COMMENT ON FUNCTION noggin_schema.payload_name(payload jsonb, field text) IS 'The name of the object that a field names, as known now; NULL when it is unknown.';

CREATE FUNCTION noggin_schema.payload_names(payload jsonb, field text) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (SELECT string_agg(COALESCE(e.entity_name, item.value), ', '::text ORDER BY item.ordinality) AS string_agg FROM (jsonb_array_elements_text(CASE WHEN (jsonb_typeof((payload_names.payload -> payload_names.field)) = 'array'::text) THEN (payload_names.payload -> payload_names.field) ELSE '[]'::jsonb END) WITH ORDINALITY item(value, ordinality) LEFT JOIN noggin_schema.entity_hashes e ON ((e.hash_value = lower(item.value)))));

COMMENT ON FUNCTION noggin_schema.payload_names(payload jsonb, field text) IS 'The names of the objects that a list names, as known now; an unknown one shows its hash.';

CREATE FUNCTION noggin_schema.payload_number(payload jsonb, field text) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((payload ->> field) ~ '^\s*[+-]?[0-9]{1,60}([.][0-9]{0,60})?\s*$'::text) THEN ((payload ->> field))::numeric ELSE NULL::numeric END;

COMMENT ON FUNCTION noggin_schema.payload_number(payload jsonb, field text) IS 'A field of a record as a number; NULL when it is none.';

CREATE FUNCTION noggin_schema.queue_adopt(p_host text, p_slot integer, p_instance uuid, p_boot bigint, p_max_attempts integer, p_backoff_s double precision) RETURNS TABLE(leases integer, returned integer, charged integer)
    LANGUAGE sql
    SET search_path TO 'noggin_schema'
    AS $$
    SELECT r.* FROM queue_return(ARRAY(
        SELECT token FROM lease
        WHERE host = p_host AND slot = p_slot AND instance = p_instance AND boot <> p_boot
    ), p_max_attempts, p_backoff_s) AS r
$$;

CREATE FUNCTION noggin_schema.queue_due(status text, permanently_failed boolean) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT NOT permanently_failed
       AND status IN ('pending', 'failed', 'interrupted', 'partial', 'api_failed', 'api_success')
$$;

CREATE FUNCTION noggin_schema.queue_prio(status text, interruptions integer, imported boolean) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE
        WHEN interruptions >= 2 THEN 9
        WHEN status = 'pending' THEN CASE WHEN imported THEN 5 ELSE 0 END
        WHEN status = 'failed' THEN 1
        WHEN status = 'interrupted' THEN 2
        WHEN status IN ('partial', 'api_success') THEN 3
        ELSE 4 END::smallint
$$;

CREATE FUNCTION noggin_schema.queue_promote(p_after_run_at timestamp with time zone, p_after_seq bigint) RETURNS TABLE(taken integer, promoted integer, last_run_at timestamp with time zone, last_seq bigint, next_run_at timestamp with time zone)
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
BEGIN
    WITH due AS MATERIALIZED (
        SELECT l.ctid AS at, l.run_at, l.seq FROM later l
        WHERE (l.run_at, l.seq) > (p_after_run_at, p_after_seq) AND l.run_at <= clock_timestamp()
        ORDER BY l.run_at, l.seq LIMIT 1000 FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM later l WHERE l.ctid = ANY (ARRAY(SELECT due.at FROM due))
        RETURNING l.run_at, l.seq, l.tip, l.gen, l.prio
    ), moved AS (
        INSERT INTO ready (prio, tip, gen)
        SELECT g.prio, g.tip, g.gen FROM gone g
        JOIN noggin_data d ON d.tip = g.tip AND d.gen = g.gen
        ORDER BY g.run_at, g.seq
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM moved),
           (SELECT g.run_at FROM gone g ORDER BY g.run_at DESC, g.seq DESC LIMIT 1),
           (SELECT g.seq FROM gone g ORDER BY g.run_at DESC, g.seq DESC LIMIT 1)
    INTO taken, promoted, last_run_at, last_seq;
    SELECT l.run_at INTO next_run_at FROM later l
    WHERE (l.run_at, l.seq) > (coalesce(last_run_at, p_after_run_at), coalesce(last_seq, p_after_seq))
    ORDER BY l.run_at, l.seq LIMIT 1;
    IF promoted > 0 THEN
        PERFORM pg_notify('noggin_queue', '');
    END IF;
    RETURN NEXT;
END
$$;

CREATE FUNCTION noggin_schema.queue_publish_head() RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    new_head bigint[];
BEGIN
    SELECT array_agg(coalesce((SELECT r.seq FROM ready r WHERE r.prio = p.prio ORDER BY r.seq LIMIT 1), 0)
                     ORDER BY p.prio)
    INTO new_head FROM generate_series(0, 9) AS p (prio);
    UPDATE queue_control SET head = new_head
    WHERE head IS DISTINCT FROM new_head;
    RETURN new_head;
END
$$;

CREATE FUNCTION noggin_schema.queue_reap(p_max_attempts integer, p_backoff_s double precision) RETURNS TABLE(leases integer, returned integer, charged integer)
    LANGUAGE sql
    SET search_path TO 'noggin_schema'
    AS $$
    SELECT r.* FROM queue_return(ARRAY(
        SELECT token FROM lease WHERE lease_until <= clock_timestamp() ORDER BY token LIMIT 100
    ), p_max_attempts, p_backoff_s) AS r
$$;

CREATE FUNCTION noggin_schema.queue_reconcile(p_limit integer) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    SET enable_nestloop TO 'off'
    AS $$
DECLARE
    found_rows integer;
BEGIN
    WITH lost AS MATERIALIZED (
        SELECT d.tip, d.gen FROM noggin_data d
        WHERE NOT d.permanently_failed
          AND d.processing_status IN
              ('pending', 'failed', 'interrupted', 'partial', 'api_failed', 'api_success')
          AND NOT EXISTS (SELECT FROM ready r WHERE r.tip = d.tip AND r.gen = d.gen)
          AND NOT EXISTS (SELECT FROM later l WHERE l.tip = d.tip AND l.gen = d.gen)
          AND NOT EXISTS (
              SELECT FROM (SELECT unnest(tips) AS tip, unnest(gens) AS gen FROM lease) AS h
              WHERE h.tip = d.tip AND h.gen = d.gen)
        LIMIT p_limit
        FOR UPDATE OF d SKIP LOCKED
    )
    UPDATE noggin_data d SET gen = d.gen + 1
    FROM lost WHERE d.tip = lost.tip AND d.gen = lost.gen;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    RETURN found_rows;
END
$$;

CREATE FUNCTION noggin_schema.queue_release(p_token bigint, p_tips text[] DEFAULT NULL::text[]) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    held record;
    filed integer;
BEGIN
    SELECT l.tips, l.gens, l.prios INTO held FROM lease l
    WHERE l.token = p_token AND l.lease_until > clock_timestamp() FOR UPDATE;
    IF NOT FOUND THEN
        RETURN -1;
    END IF;

    INSERT INTO ready (prio, tip, gen)
    SELECT u.prio, u.tip, u.gen
    FROM unnest(held.tips, held.gens, held.prios) WITH ORDINALITY AS u (tip, gen, prio, n)
    JOIN noggin_data d ON d.tip = u.tip AND d.gen = u.gen
    WHERE p_tips IS NULL OR u.tip = ANY (p_tips)
    ORDER BY u.n;
    GET DIAGNOSTICS filed = ROW_COUNT;

    WITH rest AS (
        SELECT array_agg(u.tip) AS tips, array_agg(u.gen) AS gens, array_agg(u.prio) AS prios
        FROM unnest(held.tips, held.gens, held.prios) AS u (tip, gen, prio)
        WHERE p_tips IS NOT NULL AND NOT u.tip = ANY (p_tips)
    ), kept AS (
        UPDATE lease l SET tips = r.tips, gens = r.gens, prios = r.prios
        FROM rest r WHERE l.token = p_token AND r.tips IS NOT NULL
        RETURNING 1
    )
    DELETE FROM lease l WHERE l.token = p_token AND (SELECT tips FROM rest) IS NULL;
    IF filed > 0 THEN
        PERFORM pg_notify('noggin_queue', '');
    END IF;
    RETURN filed;
END
$$;

CREATE FUNCTION noggin_schema.queue_return(p_tokens bigint[], p_max_attempts integer, p_backoff_s double precision) RETURNS TABLE(leases integer, returned integer, charged integer)
    LANGUAGE plpgsql
    SET search_path TO 'noggin_schema'
    AS $$
DECLARE
    held record;
    free text[];
    alone boolean;
BEGIN
    leases := 0; returned := 0; charged := 0;
    FOR held IN
        SELECT l.token, l.tips, l.gens, l.prios FROM lease l
        WHERE l.token = ANY (p_tokens) ORDER BY l.token FOR UPDATE SKIP LOCKED
    LOOP
        alone := held.prios = ARRAY[9]::smallint[];
        SELECT coalesce(array_agg(locked.tip), '{}') INTO free FROM (
            SELECT d.tip FROM noggin_data d
            WHERE (d.tip, d.gen) IN (SELECT * FROM unnest(held.tips, held.gens))
            ORDER BY d.tip FOR UPDATE SKIP LOCKED) AS locked;

        UPDATE noggin_data d
        SET processing_status = 'interrupted',
            gen = d.gen + 1,
            interruptions = d.interruptions + 1,
            retry_count = d.retry_count + alone::integer,
            permanently_failed = alone AND d.retry_count + 1 >= p_max_attempts,
            next_retry_at = CASE WHEN alone
                THEN clock_timestamp() + make_interval(secs => p_backoff_s) END,
            last_error_message = CASE WHEN alone
                THEN 'the worker died while it worked on this TIP alone'
                ELSE 'the worker died or lost its lease; not charged' END
        WHERE d.tip = ANY (free);
        returned := returned + cardinality(free);
        charged := charged + alone::integer * cardinality(free);

        -- What is still live under this lease is locked by somebody else just now.
        WITH stuck AS (
            SELECT u.tip, u.gen, u.prio
            FROM unnest(held.tips, held.gens, held.prios) AS u (tip, gen, prio)
            JOIN noggin_data d ON d.tip = u.tip AND d.gen = u.gen
            WHERE NOT u.tip = ANY (free)
        ), kept AS (
            UPDATE lease l SET tips = s.tips, gens = s.gens, prios = s.prios
            FROM (SELECT array_agg(tip) AS tips, array_agg(gen) AS gens, array_agg(prio) AS prios
                  FROM stuck) AS s
            WHERE l.token = held.token AND s.tips IS NOT NULL
            RETURNING 1
        )
        DELETE FROM lease l WHERE l.token = held.token AND NOT EXISTS (SELECT FROM stuck);
        leases := leases + 1;
    END LOOP;
    RETURN NEXT;
END
$$;

CREATE TABLE noggin_schema.attachments (
    record_tip text NOT NULL,
    attachment_tip text NOT NULL,
    attachment_sequence integer NOT NULL,
    field_name text,
    filename text,
    file_path text,
    content_type text,
    file_size_bytes bigint,
    file_hash_md5 text,
    file_hash_sha256 text,
    attachment_status text DEFAULT 'pending'::text NOT NULL,
    attachment_validation_status text,
    validation_error_message text,
    download_started_at timestamp with time zone,
    download_completed_at timestamp with time zone,
    download_duration_seconds numeric(12,3),
    retry_count integer DEFAULT 0 NOT NULL,
    last_error_message text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    host text,
    CONSTRAINT attachments_status_known CHECK ((attachment_status = ANY (ARRAY['pending'::text, 'complete'::text, 'failed'::text, 'not_found'::text])))
);

COMMENT ON TABLE noggin_schema.attachments IS 'One row per file of a record. No foreign key: operators delete and restore either side freely.';

COMMENT ON COLUMN noggin_schema.attachments.host IS 'The host that wrote the file; on its disk when the output folder is not shared.';

CREATE TABLE noggin_schema.audit_log (
    audit_id bigint NOT NULL,
    ts timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    who text NOT NULL,
    action text NOT NULL,
    target text,
    reason text,
    affected bigint,
    details jsonb
);

COMMENT ON TABLE noggin_schema.audit_log IS 'Every change made by a person through the command line: who, when, why, how many.';

ALTER TABLE noggin_schema.audit_log ALTER COLUMN audit_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME noggin_schema.audit_log_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE noggin_schema.breaker_events (
    id bigint NOT NULL,
    ts timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    host text NOT NULL,
    scope text NOT NULL,
    event_type text NOT NULL,
    old_state text,
    new_state text,
    reason text,
    worker text,
    details jsonb,
    CONSTRAINT breaker_events_type_known CHECK ((event_type = ANY (ARRAY['trip'::text, 'would_trip'::text, 'open'::text, 'half_open'::text, 'close'::text, 'pause'::text, 'auth_stop'::text, 'force'::text, 'reset'::text, 'probe'::text, 'quarantine'::text])))
);

ALTER TABLE noggin_schema.breaker_events ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME noggin_schema.breaker_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE noggin_schema.breaker_minutes (
    minute timestamp with time zone NOT NULL,
    scope text NOT NULL,
    ok bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    throttled bigint DEFAULT 0 NOT NULL,
    paused bigint DEFAULT 0 NOT NULL
)
WITH (fillfactor='50');

COMMENT ON TABLE noggin_schema.breaker_minutes IS 'Requests that say something about the API''s health, by scope and minute; not 403, 404, 410, 451.';

CREATE VIEW noggin_schema.breaker_open_spans AS
 SELECT id,
    ts,
    scope,
    (EXTRACT(epoch FROM (ended - ts)))::double precision AS seconds,
    latest
   FROM ( SELECT breaker_events.id,
            breaker_events.ts,
            breaker_events.scope,
            breaker_events.new_state,
            (lead(breaker_events.id) OVER by_scope IS NULL) AS latest,
            GREATEST(breaker_events.ts, LEAST(lead(breaker_events.ts, 1, clock_timestamp()) OVER by_scope,
                CASE
                    WHEN (breaker_events.event_type = 'force'::text) THEN (breaker_events.ts + make_interval(secs => ((breaker_events.details ->> 'seconds'::text))::double precision))
                    ELSE NULL::timestamp with time zone
                END)) AS ended
           FROM noggin_schema.breaker_events
          WHERE (breaker_events.new_state IS NOT NULL)
          WINDOW by_scope AS (PARTITION BY breaker_events.scope ORDER BY breaker_events.id)) spans
  WHERE (new_state = ANY (ARRAY['open'::text, 'half_open'::text, 'forced_open'::text]));

CREATE TABLE noggin_schema.breaker_open_time (
    scope text NOT NULL,
    seconds double precision NOT NULL
);

COMMENT ON TABLE noggin_schema.breaker_open_time IS 'How long scopes were open in the time of events that were pruned.';

CREATE TABLE noggin_schema.failed_records (
    failed_record_id bigint NOT NULL,
    source_id bigint,
    row_number bigint NOT NULL,
    reason text NOT NULL,
    raw text,
    resolved boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE noggin_schema.failed_records IS 'Input rows that were rejected, with their row number and reason.';

ALTER TABLE noggin_schema.failed_records ALTER COLUMN failed_record_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME noggin_schema.failed_records_failed_record_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE noggin_schema.fleet_answers (
    request_id bigint NOT NULL,
    host text NOT NULL,
    taken_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    at timestamp with time zone,
    ok boolean,
    detail jsonb
);

COMMENT ON TABLE noggin_schema.fleet_answers IS 'What each host made of a request; a request is carried out once per host.';

CREATE TABLE noggin_schema.fleet_hosts (
    host text NOT NULL,
    instance uuid NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT now() NOT NULL,
    version text,
    leader boolean DEFAULT false NOT NULL,
    stopped_at timestamp with time zone,
    output text,
    facts jsonb DEFAULT '{}'::jsonb NOT NULL
)
WITH (fillfactor='50');

COMMENT ON COLUMN noggin_schema.fleet_hosts.facts IS 'What its supervisor last wrote down: phase, slots by state, config_error and the like.';

CREATE TABLE noggin_schema.fleet_requests (
    id bigint NOT NULL,
    verb text NOT NULL,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    host text,
    who text DEFAULT SESSION_USER NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone DEFAULT (clock_timestamp() + '00:02:00'::interval) NOT NULL,
    CONSTRAINT fleet_requests_args CHECK ((jsonb_typeof(args) = 'object'::text)),
    CONSTRAINT fleet_requests_size CHECK (((verb <> 'scale'::text) OR (COALESCE((args ->> 'workers'::text), ''::text) ~ '^[1-9][0-9]{0,3}$'::text))),
    CONSTRAINT fleet_requests_times CHECK ((isfinite(created_at) AND isfinite(expires_at) AND (expires_at <= (created_at + '367 days'::interval)))),
    CONSTRAINT fleet_requests_verb_known CHECK ((verb = ANY (ARRAY['drain'::text, 'scale'::text, 'reload'::text])))
);

COMMENT ON TABLE noggin_schema.fleet_requests IS 'What somebody wants of the supervisors. A plain INSERT will do; after expires_at nobody obeys.';

CREATE TABLE noggin_schema.fleet_workers (
    host text NOT NULL,
    slot integer NOT NULL,
    instance uuid NOT NULL,
    boot bigint NOT NULL,
    pid integer,
    state text DEFAULT 'starting'::text NOT NULL,
    busy integer DEFAULT 0 NOT NULL,
    tip text,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    heartbeat_at timestamp with time zone DEFAULT now() NOT NULL
)
WITH (fillfactor='50');

CREATE VIEW noggin_schema.fleet_overview AS
 SELECT h.host,
        CASE
            WHEN ((h.stopped_at IS NOT NULL) AND COALESCE((w.heard_at <= (n.now - '00:00:10'::interval)), true)) THEN 'stopped'::text
            WHEN (heard.at > (n.now - '00:00:10'::interval)) THEN
            CASE
                WHEN ((h.facts ->> 'phase'::text) = 'draining'::text) THEN 'draining'::text
                ELSE 'up'::text
            END
            WHEN (heard.at > (n.now - '00:05:00'::interval)) THEN 'silent'::text
            ELSE 'gone'::text
        END AS state,
    (h.leader AND (heard.at > (n.now - '00:00:10'::interval)) AND (h.stopped_at IS NULL)) AS leader,
    (COALESCE(w.up, (0)::bigint))::integer AS workers,
    (COALESCE((((h.facts ->> 'wanted'::text))::integer)::bigint, w.up))::integer AS wanted,
    (COALESCE(w.busy, (0)::bigint))::integer AS busy,
    (COALESCE(w.blocked, (0)::bigint))::integer AS blocked,
    COALESCE((((h.facts -> 'slots'::text) ->> 'parked'::text))::integer, 0) AS parked,
    h.version,
    (h.facts ->> 'config_version'::text) AS config_version,
    (h.facts ->> 'config_error'::text) AS config_error,
    (h.instance)::text AS instance,
    h.started_at,
    heard.at AS heard_at,
    (GREATEST((0)::numeric, EXTRACT(epoch FROM (n.now - heard.at))))::double precision AS silent_s,
    h.output,
    (( SELECT count(*) AS count
           FROM noggin_schema.fleet_requests r
          WHERE (((r.host = h.host) OR ((r.host IS NULL) AND (r.created_at >= h.started_at))) AND (r.expires_at > n.now) AND (NOT (EXISTS ( SELECT
                   FROM noggin_schema.fleet_answers a
                  WHERE ((a.request_id = r.id) AND (a.host = h.host) AND (a.at IS NOT NULL))))))))::integer AS requests
   FROM (((( SELECT clock_timestamp() AS now) n
     CROSS JOIN noggin_schema.fleet_hosts h)
     LEFT JOIN LATERAL ( SELECT max(living.heartbeat_at) AS heard_at,
            sum(living.busy) FILTER (WHERE living.fresh) AS busy,
            count(*) FILTER (WHERE living.fresh) AS up,
            count(*) FILTER (WHERE (living.fresh AND (living.state = 'blocked'::text))) AS blocked
           FROM ( SELECT f.state,
                    f.busy,
                    f.heartbeat_at,
                    (f.heartbeat_at > (n.now - '00:00:10'::interval)) AS fresh
                   FROM noggin_schema.fleet_workers f
                  WHERE ((f.host = h.host) AND (f.slot < 10000) AND (f.state <> 'stopped'::text))) living) w ON (true))
     CROSS JOIN LATERAL ( SELECT GREATEST(h.heartbeat_at, w.heard_at) AS at) heard);

ALTER TABLE noggin_schema.fleet_requests ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME noggin_schema.fleet_requests_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE noggin_schema.folders (
    path text NOT NULL,
    tip text NOT NULL,
    claimed_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE noggin_schema.folders IS 'Which TIP owns a folder below the output root: claimed before the first file is written.';

CREATE TABLE noggin_schema.noggin_data (
    tip text NOT NULL,
    object_type text DEFAULT 'unknown'::text NOT NULL,
    object_code text,
    processing_status text DEFAULT 'pending'::text NOT NULL,
    gen integer DEFAULT ((random() * (1000000000)::double precision))::integer NOT NULL,
    interruptions integer DEFAULT 0 NOT NULL,
    retry_count integer DEFAULT 0 NOT NULL,
    last_retry_at timestamp with time zone,
    next_retry_at timestamp with time zone,
    permanently_failed boolean DEFAULT false NOT NULL,
    last_error_message text,
    worker_id character varying(300),
    noggin_reference text,
    inspection_date date,
    lcd_inspection_id text,
    lcs_inspection_id text,
    coupling_id text,
    forklift_prestart_inspection_id text,
    site_observation_id text,
    trailer_audit_id text,
    inspected_by text,
    inspected_by_hash text,
    vehicle text,
    vehicle_hash text,
    vehicle_id text,
    trailer text,
    trailer_hash text,
    trailer_id text,
    trailer2 text,
    trailer2_hash text,
    trailer2_id text,
    trailer3 text,
    trailer3_hash text,
    trailer3_id text,
    department text,
    department_hash text,
    team text,
    team_hash text,
    job_number text,
    run_number text,
    driver_loader_name text,
    load_compliance text,
    straps boolean,
    no_of_straps integer,
    chains boolean,
    mass text,
    has_unknown_hashes boolean DEFAULT false NOT NULL,
    total_attachments integer DEFAULT 0 NOT NULL,
    completed_attachment_count integer DEFAULT 0 NOT NULL,
    all_attachments_complete boolean DEFAULT false NOT NULL,
    csv_imported_at timestamp with time zone,
    source_id bigint,
    expected_inspection_id text,
    expected_inspection_date date,
    expected_inspected_by text,
    expected_vehicle text,
    expected_team text,
    api_meta_created_date timestamp with time zone,
    api_meta_modified_date timestamp with time zone,
    api_meta_security text,
    api_meta_type text,
    api_meta_tip text,
    api_meta_sid text,
    api_meta_branch text,
    api_meta_parent text[],
    api_meta_errors jsonb,
    payload jsonb,
    archived boolean DEFAULT false NOT NULL,
    archived_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT noggin_data_status_known CHECK ((processing_status = ANY (ARRAY['pending'::text, 'api_success'::text, 'complete'::text, 'partial'::text, 'failed'::text, 'interrupted'::text, 'api_failed'::text, 'not_found'::text, 'skipped'::text])))
)
WITH (fillfactor='80', autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.05');

COMMENT ON TABLE noggin_schema.noggin_data IS 'One row per TIP: its state in the pipeline and, once fetched, its inspection record.';

COMMENT ON COLUMN noggin_schema.noggin_data.gen IS 'Bumped whenever the row is queued, re-queued or taken out of the queue, by anyone: the fence.';

COMMENT ON COLUMN noggin_schema.noggin_data.permanently_failed IS 'true = dead letter: not retried until somebody sets processing_status to pending.';

CREATE VIEW noggin_schema.inspections_ccc AS
 SELECT tip,
    noggin_reference,
    inspection_date,
    coupling_id,
    inspected_by,
    team,
    team_hash,
    vehicle_id,
    trailer_id,
    run_number,
    job_number,
    vehicle,
    vehicle_hash,
    trailer,
    trailer_hash,
    noggin_schema.payload_boolean(payload, 'checkboxForTrailer2'::text) AS checkbox_for_trailer2,
    noggin_schema.payload_boolean(payload, 'checkboxForTrailer3'::text) AS checkbox_for_trailer3,
    noggin_schema.payload_boolean(payload, 'contactBetweenTheSkidPlateTurntableYT1'::text) AS contact_between_the_skid_plate_turntable_yt1,
    noggin_schema.payload_boolean(payload, 'turntableReleaseHandleFullyEngagedAndTheSafetyChaiYT1'::text) AS turntable_release_handle_fully_engaged_and_the_safety_chai_yt1,
    noggin_schema.payload_boolean(payload, 'isTheKingPinFullyEngagedYT1'::text) AS is_the_king_pin_fully_engaged_yt1,
    noggin_schema.payload_boolean(payload, 'hasATugTestBeenPerformedYT1'::text) AS has_a_tug_test_been_performed_yt1,
    noggin_schema.payload_number(payload, 'howManyTugTestsPerformedT1'::text) AS how_many_tug_tests_performed_t1,
    noggin_schema.payload_boolean(payload, 'contactBetweenTheSkidPlateTurntableYT2'::text) AS contact_between_the_skid_plate_turntable_yt2,
    noggin_schema.payload_boolean(payload, 'isTheTurntableReleaseHandleFullyEngagedAndTheSafetYT2'::text) AS is_the_turntable_release_handle_fully_engaged_and_the_safet_yt2,
    noggin_schema.payload_boolean(payload, 'isTheKingPinFullyEngagedYT2'::text) AS is_the_king_pin_fully_engaged_yt2,
    noggin_schema.payload_boolean(payload, 'hasATugTestBeenPerformedYT2'::text) AS has_a_tug_test_been_performed_yt2,
    noggin_schema.payload_boolean(payload, 'isTheRingFeederPinFullyEngagedAndLockedIntoPlaceYT'::text) AS is_the_ring_feeder_pin_fully_engaged_and_locked_into_place_yt,
    noggin_schema.payload_boolean(payload, 'contactBetweenTheSkidPlateTurntableYT3'::text) AS contact_between_the_skid_plate_turntable_yt3,
    noggin_schema.payload_boolean(payload, 'turntableReleaseHandleFullyEngagedAndTheSafetyChaiT3'::text) AS turntable_release_handle_fully_engaged_and_the_safety_chai_t3,
    noggin_schema.payload_boolean(payload, 'isTheKingPinFullyEngagedYT3'::text) AS is_the_king_pin_fully_engaged_yt3,
    noggin_schema.payload_boolean(payload, 'hasATugTestBeenPerformedYT3'::text) AS has_a_tug_test_been_performed_yt3,
    noggin_schema.payload_boolean(payload, 'isTheRingFeederPinFullyEngagedAndLockedIntoPlaceYT3'::text) AS is_the_ring_feeder_pin_fully_engaged_and_locked_into_place_yt3,
    noggin_schema.payload_boolean(payload, 'haveTheTrailerLegsBeenRaisedYT1'::text) AS have_the_trailer_legs_been_raised_yt1,
    noggin_schema.payload_boolean(payload, 'haveTheTrailerLegsBeenRaisedYT2'::text) AS have_the_trailer_legs_been_raised_yt2,
    noggin_schema.payload_boolean(payload, 'haveTheTrailerLegsBeenRaisedYT3'::text) AS have_the_trailer_legs_been_raised_yt3,
    trailer2,
    trailer2_hash,
    trailer2_id,
    noggin_schema.payload_number(payload, 'howManyTugTestsPerformedT2'::text) AS how_many_tug_tests_performed_t2,
    noggin_schema.payload_name(payload, 'customerClient'::text) AS customer_client,
    noggin_schema.payload_hash(payload, 'customerClient'::text) AS customer_client_hash,
    trailer3,
    trailer3_hash,
    trailer3_id,
    noggin_schema.payload_number(payload, 'howManyTugTestsPerformedT3'::text) AS how_many_tug_tests_performed_t3,
    (payload -> 'contactBetweenTheSkidPlateTurntablePT1'::text) AS contact_between_the_skid_plate_turntable_pt1,
    (payload -> 'turntableReleaseHandleFullyEngagedAndTheSafetyChaiPT1'::text) AS turntable_release_handle_fully_engaged_and_the_safety_chai_pt1,
    (payload -> 'isTheKingPinFullyEngagedPT1'::text) AS is_the_king_pin_fully_engaged_pt1,
    (payload -> 'haveTheTrailerLegsBeenRaisedPT1'::text) AS have_the_trailer_legs_been_raised_pt1,
    (payload -> 'contactBetweenTheSkidPlateTurntablePT2'::text) AS contact_between_the_skid_plate_turntable_pt2,
    (payload -> 'isTheTurntableReleaseHandleFullyEngagedAndTheSafetPT2'::text) AS is_the_turntable_release_handle_fully_engaged_and_the_safet_pt2,
    (payload -> 'isTheKingPinFullyEngagedPT2'::text) AS is_the_king_pin_fully_engaged_pt2,
    (payload -> 'isTheRingFeederPinFullyEngagedAndLockedIntoPlacePT'::text) AS is_the_ring_feeder_pin_fully_engaged_and_locked_into_place_pt,
    (payload -> 'haveTheTrailerLegsBeenRaisedPT2'::text) AS have_the_trailer_legs_been_raised_pt2,
    (payload -> 'contactBetweenTheSkidPlateTurntablePT3'::text) AS contact_between_the_skid_plate_turntable_pt3,
    (payload -> 'turntableReleaseHandleFullyEngagedAndTheSafetyChaiPT3'::text) AS turntable_release_handle_fully_engaged_and_the_safety_chai_pt3,
    (payload -> 'isTheKingPinFullyEngagedPT3'::text) AS is_the_king_pin_fully_engaged_pt3,
    (payload -> 'isTheRingFeederPinFullyEngagedAndLockedIntoPlacePT3'::text) AS is_the_ring_feeder_pin_fully_engaged_and_locked_into_place_pt3,
    (payload -> 'haveTheTrailerLegsBeenRaisedPT3'::text) AS have_the_trailer_legs_been_raised_pt3,
    processing_status,
    permanently_failed,
    has_unknown_hashes,
    total_attachments,
    completed_attachment_count,
    all_attachments_complete,
    api_meta_created_date,
    api_meta_modified_date,
    created_at,
    updated_at
   FROM noggin_schema.noggin_data d
  WHERE ((object_code = 'CCC'::text) OR ((object_code IS NULL) AND (object_type = 'Coupling Compliance Check'::text)));

COMMENT ON VIEW noggin_schema.inspections_ccc IS 'Coupling Compliance Check: every field of the record.';

CREATE VIEW noggin_schema.inspections_fpi AS
 SELECT tip,
    noggin_reference,
    inspection_date,
    vehicle,
    vehicle_hash,
    (payload ->> 'preStartStatus'::text) AS pre_start_status,
    inspected_by,
    team,
    team_hash,
    forklift_prestart_inspection_id,
    (payload ->> 'hourReadingAtStartOfShift'::text) AS hour_reading_at_start_of_shift,
    noggin_schema.payload_boolean(payload, 'damageCompliant'::text) AS damage_compliant,
    noggin_schema.payload_boolean(payload, 'damageDefect'::text) AS damage_defect,
    noggin_schema.payload_boolean(payload, 'fluidLeaksCompliant'::text) AS fluid_leaks_compliant,
    noggin_schema.payload_boolean(payload, 'fluidLeaksDefect'::text) AS fluid_leaks_defect,
    noggin_schema.payload_boolean(payload, 'tyresWheelsCompliant'::text) AS tyres_wheels_compliant,
    noggin_schema.payload_boolean(payload, 'tyreWheelsDefect'::text) AS tyre_wheels_defect,
    noggin_schema.payload_boolean(payload, 'forkTynesCompliant'::text) AS fork_tynes_compliant,
    noggin_schema.payload_boolean(payload, 'forkTynesDefect'::text) AS fork_tynes_defect,
    noggin_schema.payload_boolean(payload, 'chainsHosesCablesCompliant'::text) AS chains_hoses_cables_compliant,
    noggin_schema.payload_boolean(payload, 'chainsHosesCablesDefect'::text) AS chains_hoses_cables_defect,
    noggin_schema.payload_boolean(payload, 'guardsCompliant'::text) AS guards_compliant,
    noggin_schema.payload_boolean(payload, 'guardsDefect'::text) AS guards_defect,
    noggin_schema.payload_boolean(payload, 'safetyDevicesCompliant'::text) AS safety_devices_compliant,
    noggin_schema.payload_boolean(payload, 'safetyDevicesDefect'::text) AS safety_devices_defect,
    noggin_schema.payload_boolean(payload, 'capacityRatingPlateWarningLabelsCompliant'::text) AS capacity_rating_plate_warning_labels_compliant,
    noggin_schema.payload_boolean(payload, 'capacityRatingPlateWarningLabelsDefect'::text) AS capacity_rating_plate_warning_labels_defect,
    noggin_schema.payload_boolean(payload, 'fluidLevelChecksCompliant'::text) AS fluid_level_checks_compliant,
    noggin_schema.payload_boolean(payload, 'fluidLevelChecksDefect'::text) AS fluid_level_checks_defect,
    noggin_schema.payload_boolean(payload, 'lpgCompliant'::text) AS lpg_compliant,
    noggin_schema.payload_boolean(payload, 'lpgDefect'::text) AS lpg_defect,
    noggin_schema.payload_boolean(payload, 'radiatorFanCompliant'::text) AS radiator_fan_compliant,
    noggin_schema.payload_boolean(payload, 'radiatorFanDefect'::text) AS radiator_fan_defect,
    noggin_schema.payload_boolean(payload, 'airCleanerCompliant'::text) AS air_cleaner_compliant,
    noggin_schema.payload_boolean(payload, 'airCleanerDefect'::text) AS air_cleaner_defect,
    noggin_schema.payload_boolean(payload, 'transmissionFluidLevelsCompliant'::text) AS transmission_fluid_levels_compliant,
    noggin_schema.payload_boolean(payload, 'transmissionFluidLevelsDefect'::text) AS transmission_fluid_levels_defect,
    noggin_schema.payload_boolean(payload, 'audibleAlarmsCompliant'::text) AS audible_alarms_compliant,
    noggin_schema.payload_boolean(payload, 'audibleAlarmsDefect'::text) AS audible_alarms_defect,
    (payload ->> 'audibleAlarmsComments'::text) AS audible_alarms_comments,
    noggin_schema.payload_boolean(payload, 'brakesCompliant'::text) AS brakes_compliant,
    noggin_schema.payload_boolean(payload, 'brakesDefect'::text) AS brakes_defect,
    noggin_schema.payload_boolean(payload, 'inchingPedalCompliant'::text) AS inching_pedal_compliant,
    noggin_schema.payload_boolean(payload, 'inchingPedalDefect'::text) AS inching_pedal_defect,
    noggin_schema.payload_boolean(payload, 'steeringCompliant'::text) AS steering_compliant,
    noggin_schema.payload_boolean(payload, 'steeringDefect'::text) AS steering_defect,
    noggin_schema.payload_boolean(payload, 'hydraulicControlsCompliant'::text) AS hydraulic_controls_compliant,
    noggin_schema.payload_boolean(payload, 'hydraulicControlsDefect'::text) AS hydraulic_controls_defect,
    noggin_schema.payload_boolean(payload, 'attachmentsCompliant'::text) AS attachments_compliant,
    noggin_schema.payload_boolean(payload, 'attachmentsDefect'::text) AS attachments_defect,
    noggin_schema.payload_boolean(payload, 'interlockSpeedGovernorCompliant'::text) AS interlock_speed_governor_compliant,
    noggin_schema.payload_boolean(payload, 'interlockSpeedGovernorDefect'::text) AS interlock_speed_governor_defect,
    noggin_schema.payload_name(payload, 'assetType'::text) AS asset_type,
    noggin_schema.payload_hash(payload, 'assetType'::text) AS asset_type_hash,
    vehicle_id,
    (payload ->> 'assetName'::text) AS asset_name,
    (payload ->> 'damageComments'::text) AS damage_comments,
    (payload ->> 'fluidLeaksComments'::text) AS fluid_leaks_comments,
    (payload ->> 'tyreWheelsComments'::text) AS tyre_wheels_comments,
    (payload ->> 'forkTynesComments'::text) AS fork_tynes_comments,
    (payload ->> 'chainsHosesCablesComments'::text) AS chains_hoses_cables_comments,
    (payload ->> 'guardsComments'::text) AS guards_comments,
    (payload ->> 'safetyDevicesComments'::text) AS safety_devices_comments,
    (payload ->> 'capacityRatingPlateWarningLabelsComment'::text) AS capacity_rating_plate_warning_labels_comment,
    (payload ->> 'fluidLevelChecksComments'::text) AS fluid_level_checks_comments,
    (payload ->> 'lpgComments'::text) AS lpg_comments,
    (payload ->> 'radiatorFanComments'::text) AS radiator_fan_comments,
    (payload ->> 'airCleanerComments'::text) AS air_cleaner_comments,
    (payload ->> 'transmissionFluidLevelsComments'::text) AS transmission_fluid_levels_comments,
    (payload ->> 'brakesComments'::text) AS brakes_comments,
    (payload ->> 'inchingPedalComments'::text) AS inching_pedal_comments,
    (payload ->> 'steeringComments'::text) AS steering_comments,
    (payload ->> 'hydraulicControlsComments'::text) AS hydraulic_controls_comments,
    (payload ->> 'attachmentComments'::text) AS attachment_comments,
    (payload ->> 'interlockSpeedGovernorComments'::text) AS interlock_speed_governor_comments,
    (payload ->> 'comments'::text) AS comments,
    (payload -> 'damageAttachment'::text) AS damage_attachment,
    (payload -> 'fuelLeaksAttachment'::text) AS fuel_leaks_attachment,
    (payload -> 'tyreWheelAttachment'::text) AS tyre_wheel_attachment,
    (payload -> 'forkTynesAttachment'::text) AS fork_tynes_attachment,
    (payload -> 'chainHosesCablesAttachment'::text) AS chain_hoses_cables_attachment,
    (payload -> 'guardsAttachment'::text) AS guards_attachment,
    (payload -> 'safetyDevicesAttachment'::text) AS safety_devices_attachment,
    (payload -> 'capacityRatingPlateWarningLabelsAttachment'::text) AS capacity_rating_plate_warning_labels_attachment,
    (payload -> 'fluidLevelChecksAttachment'::text) AS fluid_level_checks_attachment,
    (payload -> 'lpgAttachment'::text) AS lpg_attachment,
    (payload -> 'radiatorFanAttachment'::text) AS radiator_fan_attachment,
    (payload -> 'airCleanerAttachment'::text) AS air_cleaner_attachment,
    (payload -> 'transmissionFluidLevelsAttachment'::text) AS transmission_fluid_levels_attachment,
    (payload -> 'audibleAlarmsAttachment'::text) AS audible_alarms_attachment,
    (payload -> 'brakesAttachment'::text) AS brakes_attachment,
    (payload -> 'inchingPedalAttachment'::text) AS inching_pedal_attachment,
    (payload -> 'steeringAttachment'::text) AS steering_attachment,
    (payload -> 'hydraulicControlsAttachment'::text) AS hydraulic_controls_attachment,
    (payload -> 'attachmentsAttachment'::text) AS attachments_attachment,
    (payload -> 'interlockSpeedGovernorAttachment'::text) AS interlock_speed_governor_attachment,
    (payload -> 'attachments'::text) AS attachments,
    processing_status,
    permanently_failed,
    has_unknown_hashes,
    total_attachments,
    completed_attachment_count,
    all_attachments_complete,
    api_meta_created_date,
    api_meta_modified_date,
    created_at,
    updated_at
   FROM noggin_schema.noggin_data d
  WHERE ((object_code = 'FPI'::text) OR ((object_code IS NULL) AND (object_type = 'Forklift Prestart Inspection'::text)));

COMMENT ON VIEW noggin_schema.inspections_fpi IS 'Forklift Prestart Inspection: every field of the record.';

CREATE VIEW noggin_schema.inspections_lcd AS
 SELECT tip,
    noggin_reference,
    inspection_date,
    lcd_inspection_id,
    inspected_by,
    vehicle,
    vehicle_hash,
    vehicle_id,
    job_number,
    run_number,
    noggin_schema.payload_boolean(payload, 'driver'::text) AS driver,
    noggin_schema.payload_boolean(payload, 'loader'::text) AS loader,
    driver_loader_name,
    (payload ->> 'goldstarOrContactorList'::text) AS goldstar_or_contactor_list,
    department,
    department_hash,
    team,
    team_hash,
    noggin_schema.payload_boolean(payload, 'isYourLoadCompliantWithTheLoadRestraintGuide2004Ye'::text) AS is_your_load_compliant_with_the_load_restraint_guide2004_ye,
    noggin_schema.payload_boolean(payload, 'isYourLoadCompliantWithTheLoadRestraintGuide2004No'::text) AS is_your_load_compliant_with_the_load_restraint_guide2004_no,
    straps,
    no_of_straps,
    chains,
    mass,
    trailer,
    trailer_hash,
    trailer_id,
    trailer2,
    trailer2_hash,
    trailer3,
    trailer3_hash,
    (payload ->> 'totalLoadMassTrailer1'::text) AS total_load_mass_trailer1,
    (payload ->> 'totalLoadMassTrailer2'::text) AS total_load_mass_trailer2,
    (payload ->> 'totalLoadMassTrailer3'::text) AS total_load_mass_trailer3,
    trailer2_id,
    trailer3_id,
    (payload ->> 'contractorName'::text) AS contractor_name,
    noggin_schema.payload_name(payload, 'customerClient'::text) AS customer_client,
    noggin_schema.payload_hash(payload, 'customerClient'::text) AS customer_client_hash,
    (payload ->> 'freeTextWhyIsTheLoadNotCompliant'::text) AS free_text_why_is_the_load_not_compliant,
    (payload ->> 'commentsActions'::text) AS comments_actions,
    noggin_schema.payload_number(payload, 'noOfChains'::text) AS no_of_chains,
    (payload -> 'attachments'::text) AS attachments,
    (payload -> 'loaderPhotoAttachment'::text) AS loader_photo_attachment,
    load_compliance,
    processing_status,
    permanently_failed,
    has_unknown_hashes,
    total_attachments,
    completed_attachment_count,
    all_attachments_complete,
    api_meta_created_date,
    api_meta_modified_date,
    created_at,
    updated_at
   FROM noggin_schema.noggin_data d
  WHERE ((object_code = 'LCD'::text) OR ((object_code IS NULL) AND (object_type = 'Load Compliance Check (Driver/Loader)'::text)));

COMMENT ON VIEW noggin_schema.inspections_lcd IS 'Load Compliance Check (Driver/Loader): every field of the record.';

CREATE VIEW noggin_schema.inspections_lcs AS
 SELECT tip,
    noggin_reference,
    inspection_date,
    lcs_inspection_id,
    trailer,
    trailer_hash,
    trailer_id,
    job_number,
    driver_loader_name,
    vehicle_id,
    vehicle,
    vehicle_hash,
    (payload ->> 'goldstarOrContactorList'::text) AS goldstar_or_contactor_list,
    department,
    department_hash,
    team,
    team_hash,
    inspected_by,
    noggin_schema.payload_boolean(payload, 'vehicleIsAppropriateForTheTaskIEMeetsMassDimension'::text) AS vehicle_is_appropriate_for_the_task_ie_meets_mass_dimension,
    noggin_schema.payload_boolean(payload, 'vehicleIsAppropriateForTheTaskIEMeetsMassDimensionN'::text) AS vehicle_is_appropriate_for_the_task_ie_meets_mass_dimension_n,
    noggin_schema.payload_boolean(payload, 'vehicleIsAppropriateForTheTaskIEMeetsMassDimensionNA'::text) AS vehicle_is_appropriate_for_the_task_ie_meets_mass_dimension_na,
    noggin_schema.payload_boolean(payload, 'loadDistributedCorrectlyOverTheVehicleAxlesY'::text) AS load_distributed_correctly_over_the_vehicle_axles_y,
    noggin_schema.payload_boolean(payload, 'loadDistributedCorrectlyOverTheVehicleAxlesN'::text) AS load_distributed_correctly_over_the_vehicle_axles_n,
    noggin_schema.payload_boolean(payload, 'loadDistributedCorrectlyOverTheVehicleAxlesNa'::text) AS load_distributed_correctly_over_the_vehicle_axles_na,
    noggin_schema.payload_boolean(payload, 'loadAreEitherSittingOnTimberRubberOrAntiSlipMateri'::text) AS load_are_either_sitting_on_timber_rubber_or_anti_slip_materi,
    noggin_schema.payload_boolean(payload, 'loadAreEitherSittingOnTimberRubberOrAntiSlipMateriN'::text) AS load_are_either_sitting_on_timber_rubber_or_anti_slip_materi_n,
    noggin_schema.payload_boolean(payload, 'loadAreEitherSittingOnTimberRubberOrAntiSlipMateriNA'::text) AS load_are_either_sitting_on_timber_rubber_or_anti_slip_materi_na,
    noggin_schema.payload_boolean(payload, 'haveGalasCornersBeenAppliedToCoilsY'::text) AS have_galas_corners_been_applied_to_coils_y,
    noggin_schema.payload_boolean(payload, 'haveGalasCornersBeenAppliedToCoilsN'::text) AS have_galas_corners_been_applied_to_coils_n,
    noggin_schema.payload_boolean(payload, 'haveGalasCornersBeenAppliedToCoilsNa'::text) AS have_galas_corners_been_applied_to_coils_na,
    noggin_schema.payload_boolean(payload, 'numberOfLashingsUsedAppropriateForTheLoadY'::text) AS number_of_lashings_used_appropriate_for_the_load_y,
    noggin_schema.payload_boolean(payload, 'numberOfLashingsUsedAppropriateForTheLoadN'::text) AS number_of_lashings_used_appropriate_for_the_load_n,
    noggin_schema.payload_boolean(payload, 'numberOfLashingsUsedAppropriateForTheLoadNa'::text) AS number_of_lashings_used_appropriate_for_the_load_na,
    noggin_schema.payload_boolean(payload, 'loadsAreNotToBeRestrainedAtLowLashingAngle30Y'::text) AS loads_are_not_to_be_restrained_at_low_lashing_angle30_y,
    noggin_schema.payload_boolean(payload, 'loadsAreNotToBeRestrainedAtLowLashingAngle30N'::text) AS loads_are_not_to_be_restrained_at_low_lashing_angle30_n,
    noggin_schema.payload_boolean(payload, 'loadsAreNotToBeRestrainedAtLowLashingAngle30Na'::text) AS loads_are_not_to_be_restrained_at_low_lashing_angle30_na,
    noggin_schema.payload_boolean(payload, 'additionalRestraintUsedForItemsThatCanBeDislodgedF'::text) AS additional_restraint_used_for_items_that_can_be_dislodged_f,
    noggin_schema.payload_boolean(payload, 'additionalRestraintUsedForItemsThatCanBeDislodgedFN'::text) AS additional_restraint_used_for_items_that_can_be_dislodged_fn,
    noggin_schema.payload_boolean(payload, 'additionalRestraintUsedForItemsThatCanBeDislodgedFNA'::text) AS additional_restraint_used_for_items_that_can_be_dislodged_fna,
    noggin_schema.payload_boolean(payload, 'noLooseItemsEGDunnageChainsStrapsEtcAreLeftOnTheLo'::text) AS no_loose_items_eg_dunnage_chains_straps_etc_are_left_on_the_lo,
    noggin_schema.payload_boolean(payload, 'noLooseItemsEGDunnageChainsStrapsEtcAreLeftOnTheLoN'::text) AS no_loose_items_eg_dunnage_chains_straps_etc_are_left_on__4b199a,
    noggin_schema.payload_boolean(payload, 'noLooseItemsEGDunnageChainsStrapsEtcAreLeftOnTheLoNA'::text) AS no_loose_items_eg_dunnage_chains_straps_etc_are_left_on__e83973,
    noggin_schema.payload_boolean(payload, 'loadDoesNotExceedHeadboardHeightByMoreThanHalfTheT'::text) AS load_does_not_exceed_headboard_height_by_more_than_half_the_t,
    noggin_schema.payload_boolean(payload, 'loadDoesNotExceedHeadboardHeightByMoreThanHalfTheTN'::text) AS load_does_not_exceed_headboard_height_by_more_than_half_the_tn,
    noggin_schema.payload_boolean(payload, 'loadDoesNotExceedHeadboardHeightByMoreThanHalfTheTNA'::text) AS load_does_not_exceed_headboard_height_by_more_than_half_the_tna,
    noggin_schema.payload_boolean(payload, 'loadDoesNotExceedMassOrDimensionOverhangRequiremenY'::text) AS load_does_not_exceed_mass_or_dimension_overhang_requiremen_y,
    noggin_schema.payload_boolean(payload, 'loadDoesNotExceedMassOrDimensionOverhangRequiremen'::text) AS load_does_not_exceed_mass_or_dimension_overhang_requiremen,
    noggin_schema.payload_boolean(payload, 'loadDoesNotExceedMassOrDimensionOverhangRequiremenNA'::text) AS load_does_not_exceed_mass_or_dimension_overhang_requiremen_na,
    noggin_schema.payload_boolean(payload, 'allPalletsSkidsOrFramesAreInGoodConditionAndAbleToY'::text) AS all_pallets_skids_or_frames_are_in_good_condition_and_able_to_y,
    noggin_schema.payload_boolean(payload, 'allPalletsSkidsOrFramesAreInGoodConditionAndAbleToN'::text) AS all_pallets_skids_or_frames_are_in_good_condition_and_able_to_n,
    noggin_schema.payload_boolean(payload, 'allPalletsSkidsOrFramesAreInGoodConditionAndAbleToNA'::text) AS all_pallets_skids_or_frames_are_in_good_condition_and_ab_72f51d,
    noggin_schema.payload_boolean(payload, 'tailgatesSideAndCentrePinsAreSecuredToTheTrailerEGY'::text) AS tailgates_side_and_centre_pins_are_secured_to_the_trailer_egy,
    noggin_schema.payload_boolean(payload, 'tailgatesSideAndCentrePinsAreSecuredToTheTrailerEGN'::text) AS tailgates_side_and_centre_pins_are_secured_to_the_trailer_egn,
    noggin_schema.payload_boolean(payload, 'tailgatesSideAndCentrePinsAreSecuredToTheTrailerEGNA'::text) AS tailgates_side_and_centre_pins_are_secured_to_the_trailer_egna,
    noggin_schema.payload_boolean(payload, 'allLashingsAreAnchoredSecurelyToTheTrailerIEHooksNY'::text) AS all_lashings_are_anchored_securely_to_the_trailer_ie_hooks_ny,
    noggin_schema.payload_boolean(payload, 'allLashingsAreAnchoredSecurelyToTheTrailerIEHooksNN'::text) AS all_lashings_are_anchored_securely_to_the_trailer_ie_hooks_nn,
    noggin_schema.payload_boolean(payload, 'allLashingsAreAnchoredSecurelyToTheTrailerIEHooksNA'::text) AS all_lashings_are_anchored_securely_to_the_trailer_ie_hooks_na,
    noggin_schema.payload_boolean(payload, 'allLashingsPositionedInLineWithDunnageAndBearersFoY'::text) AS all_lashings_positioned_in_line_with_dunnage_and_bearers_fo_y,
    noggin_schema.payload_boolean(payload, 'allLashingsPositionedInLineWithDunnageAndBearersFoN'::text) AS all_lashings_positioned_in_line_with_dunnage_and_bearers_fo_n,
    noggin_schema.payload_boolean(payload, 'allLashingsPositionedInLineWithDunnageAndBearersFoNA'::text) AS all_lashings_positioned_in_line_with_dunnage_and_bearers_fo_na,
    noggin_schema.payload_boolean(payload, 'noRectangularDunnageOnTheShortEdgeYes'::text) AS no_rectangular_dunnage_on_the_short_edge_yes,
    noggin_schema.payload_boolean(payload, 'noRectangularDunnageOnTheShortEdgeNo'::text) AS no_rectangular_dunnage_on_the_short_edge_no,
    noggin_schema.payload_boolean(payload, 'noRectangularDunnageOnTheShortEdgeNA'::text) AS no_rectangular_dunnage_on_the_short_edge_na,
    noggin_schema.payload_boolean(payload, 'appropriateStrapAndOrProductProtectionIsInPlaceEGEY'::text) AS appropriate_strap_and_or_product_protection_is_in_place_egey,
    noggin_schema.payload_boolean(payload, 'appropriateStrapAndOrProductProtectionIsInPlaceEGEN'::text) AS appropriate_strap_and_or_product_protection_is_in_place_egen,
    noggin_schema.payload_boolean(payload, 'appropriateStrapAndOrProductProtectionIsInPlaceEGENA'::text) AS appropriate_strap_and_or_product_protection_is_in_place_egena,
    noggin_schema.payload_boolean(payload, 'palletJacksAreParkedAndSecuredYes'::text) AS pallet_jacks_are_parked_and_secured_yes,
    noggin_schema.payload_boolean(payload, 'palletJacksAreParkedAndSecuredNo'::text) AS pallet_jacks_are_parked_and_secured_no,
    noggin_schema.payload_boolean(payload, 'palletJacksAreParkedAndSecuredNA'::text) AS pallet_jacks_are_parked_and_secured_na,
    noggin_schema.payload_boolean(payload, 'dangerousGoodsLoadsHaveGatesInPlaceYes'::text) AS dangerous_goods_loads_have_gates_in_place_yes,
    noggin_schema.payload_boolean(payload, 'dangerousGoodsLoadsHaveGatesInPlaceNo'::text) AS dangerous_goods_loads_have_gates_in_place_no,
    noggin_schema.payload_boolean(payload, 'dangerousGoodsLoadsHaveGatesInPlaceNA'::text) AS dangerous_goods_loads_have_gates_in_place_na,
    noggin_schema.payload_boolean(payload, 'restraintEquipmentInGoodWorkingConditionChainsTensY'::text) AS restraint_equipment_in_good_working_condition_chains_tens_y,
    noggin_schema.payload_boolean(payload, 'restraintEquipmentInGoodWorkingConditionChainsTensN'::text) AS restraint_equipment_in_good_working_condition_chains_tens_n,
    noggin_schema.payload_boolean(payload, 'restraintEquipmentInGoodWorkingConditionChainsTenNA'::text) AS restraint_equipment_in_good_working_condition_chains_ten_na,
    noggin_schema.payload_boolean(payload, 'dunnageIsAlignedWithSufficientClampDownForceToKeepY'::text) AS dunnage_is_aligned_with_sufficient_clamp_down_force_to_keep_y,
    noggin_schema.payload_boolean(payload, 'dunnageIsAlignedWithSufficientClampDownForceToKeepN'::text) AS dunnage_is_aligned_with_sufficient_clamp_down_force_to_keep_n,
    noggin_schema.payload_boolean(payload, 'dunnageIsAlignedWithSufficientClampDownForceToKeepNA'::text) AS dunnage_is_aligned_with_sufficient_clamp_down_force_to_keep_na,
    noggin_schema.payload_boolean(payload, 'productProtectionIsInPlaceToPreventScratchesAndProY'::text) AS product_protection_is_in_place_to_prevent_scratches_and_pro_y,
    noggin_schema.payload_boolean(payload, 'productProtectionIsInPlaceToPreventScratchesAndProN'::text) AS product_protection_is_in_place_to_prevent_scratches_and_pro_n,
    noggin_schema.payload_boolean(payload, 'productProtectionIsInPlaceToPreventScratchesAndProNA'::text) AS product_protection_is_in_place_to_prevent_scratches_and_pro_na,
    noggin_schema.payload_boolean(payload, 'toolDuunageBoxesRacksSecuredYes'::text) AS tool_duunage_boxes_racks_secured_yes,
    noggin_schema.payload_boolean(payload, 'toolDuunageBoxesRacksSecuredNo'::text) AS tool_duunage_boxes_racks_secured_no,
    noggin_schema.payload_boolean(payload, 'toolDuunageBoxesRacksSecuredNA'::text) AS tool_duunage_boxes_racks_secured_na,
    mass,
    noggin_schema.payload_boolean(payload, 'gluts'::text) AS gluts,
    noggin_schema.payload_boolean(payload, 'webbings'::text) AS webbings,
    noggin_schema.payload_number(payload, 'noOfWebbings'::text) AS no_of_webbings,
    chains,
    noggin_schema.payload_boolean(payload, 'isTheLoadCompliantWithTheLoadRestraintGuideY'::text) AS is_the_load_compliant_with_the_load_restraint_guide_y,
    noggin_schema.payload_boolean(payload, 'isTheLoadCompliantWithTheLoadRestraintGuideN'::text) AS is_the_load_compliant_with_the_load_restraint_guide_n,
    noggin_schema.payload_number(payload, 'noOfGluts'::text) AS no_of_gluts,
    noggin_schema.payload_number(payload, 'noOfChains'::text) AS no_of_chains,
    run_number,
    trailer2,
    trailer2_hash,
    trailer2_id,
    trailer3,
    trailer3_hash,
    trailer3_id,
    noggin_schema.payload_name(payload, 'customerClient'::text) AS customer_client,
    noggin_schema.payload_hash(payload, 'customerClient'::text) AS customer_client_hash,
    (payload ->> 'contractorName'::text) AS contractor_name,
    (payload ->> 'vehicleIsAppropriateForTheTaskText'::text) AS vehicle_is_appropriate_for_the_task_text,
    (payload ->> 'loadDistributedCorrectlyText'::text) AS load_distributed_correctly_text,
    (payload ->> 'loadAreEitherSittingText'::text) AS load_are_either_sitting_text,
    (payload ->> 'haveGalasCornersBeenAppliedToCoilsText'::text) AS have_galas_corners_been_applied_to_coils_text,
    (payload ->> 'numberOfLashingsText'::text) AS number_of_lashings_text,
    (payload ->> 'loadsAreNotToBeRestrainedText'::text) AS loads_are_not_to_be_restrained_text,
    (payload ->> 'additionalRestraintUsedForItemsText'::text) AS additional_restraint_used_for_items_text,
    (payload ->> 'noLooseItemsText'::text) AS no_loose_items_text,
    (payload ->> 'loadDoesNotExceedHeadboardText'::text) AS load_does_not_exceed_headboard_text,
    (payload ->> 'loadDoesNotExceedMassText'::text) AS load_does_not_exceed_mass_text,
    (payload ->> 'allPalletsSkidsOrFramesText'::text) AS all_pallets_skids_or_frames_text,
    (payload ->> 'tailgatesSideAndCentreText'::text) AS tailgates_side_and_centre_text,
    (payload ->> 'allLashingsAreAnchoredText'::text) AS all_lashings_are_anchored_text,
    (payload ->> 'allLashingsPositionedText'::text) AS all_lashings_positioned_text,
    (payload ->> 'noRectangularDunnageText'::text) AS no_rectangular_dunnage_text,
    (payload ->> 'appropriateStrapAndOrProductText'::text) AS appropriate_strap_and_or_product_text,
    (payload ->> 'palletJacksAreParkedText'::text) AS pallet_jacks_are_parked_text,
    (payload ->> 'dangerousGoodsLoadsText'::text) AS dangerous_goods_loads_text,
    (payload ->> 'restraintEquipmentText'::text) AS restraint_equipment_text,
    (payload ->> 'dunnageIsAlignedText'::text) AS dunnage_is_aligned_text,
    (payload ->> 'productProtectionText'::text) AS product_protection_text,
    (payload ->> 'toolDuunageBoxesText'::text) AS tool_duunage_boxes_text,
    straps,
    no_of_straps,
    (payload ->> 'commentsActions'::text) AS comments_actions,
    (payload ->> 'freeTextWhyIsTheLoadNotCompliant'::text) AS free_text_why_is_the_load_not_compliant,
    (payload -> 'attachments'::text) AS attachments,
    (payload -> 'signature'::text) AS signature,
    load_compliance,
    processing_status,
    permanently_failed,
    has_unknown_hashes,
    total_attachments,
    completed_attachment_count,
    all_attachments_complete,
    api_meta_created_date,
    api_meta_modified_date,
    created_at,
    updated_at
   FROM noggin_schema.noggin_data d
  WHERE ((object_code = 'LCS'::text) OR ((object_code IS NULL) AND (object_type = 'Load Compliance Check (Supervisor/Manager)'::text)));

COMMENT ON VIEW noggin_schema.inspections_lcs IS 'Load Compliance Check (Supervisor/Manager): every field of the record.';

CREATE VIEW noggin_schema.inspections_so AS
 SELECT tip,
    noggin_reference,
    inspection_date,
    site_observation_id,
    noggin_schema.payload_name(payload, 'siteManager'::text) AS site_manager,
    noggin_schema.payload_hash(payload, 'siteManager'::text) AS site_manager_hash,
    department,
    department_hash,
    noggin_schema.payload_names(payload, 'personInvolved'::text) AS person_involved,
    (payload -> 'personInvolved'::text) AS person_involved_hashes,
    inspected_by,
    inspected_by_hash,
    (payload ->> 'details1'::text) AS details1,
    (payload ->> 'findings1'::text) AS findings1,
    (payload ->> 'summary1'::text) AS summary1,
    noggin_schema.payload_boolean(payload, 'observation1Checkbox'::text) AS observation1_checkbox,
    noggin_schema.payload_boolean(payload, 'observation2Checkbox'::text) AS observation2_checkbox,
    noggin_schema.payload_boolean(payload, 'observation3Checkbox'::text) AS observation3_checkbox,
    noggin_schema.payload_boolean(payload, 'observation4Checkbox'::text) AS observation4_checkbox,
    (payload ->> 'details2'::text) AS details2,
    (payload ->> 'findings2'::text) AS findings2,
    (payload ->> 'summary2'::text) AS summary2,
    noggin_schema.payload_names(payload, 'correctiveActions'::text) AS corrective_actions,
    (payload -> 'correctiveActions'::text) AS corrective_actions_hashes,
    (payload ->> 'details3'::text) AS details3,
    (payload ->> 'findings3'::text) AS findings3,
    (payload ->> 'summary3'::text) AS summary3,
    noggin_schema.payload_names(payload, 'vehicleS'::text) AS vehicle_s,
    (payload -> 'vehicleS'::text) AS vehicle_s_hashes,
    (payload ->> 'details4'::text) AS details4,
    (payload ->> 'findings4'::text) AS findings4,
    (payload ->> 'summary4'::text) AS summary4,
    (payload -> 'attachments1'::text) AS attachments1,
    (payload -> 'attachments2'::text) AS attachments2,
    (payload -> 'attachments3'::text) AS attachments3,
    (payload -> 'attachments4'::text) AS attachments4,
    processing_status,
    permanently_failed,
    has_unknown_hashes,
    total_attachments,
    completed_attachment_count,
    all_attachments_complete,
    api_meta_created_date,
    api_meta_modified_date,
    created_at,
    updated_at
   FROM noggin_schema.noggin_data d
  WHERE ((object_code = 'SO'::text) OR ((object_code IS NULL) AND (object_type = 'Site Observations'::text)));

COMMENT ON VIEW noggin_schema.inspections_so IS 'Site Observations: every field of the record.';

CREATE VIEW noggin_schema.inspections_ta AS
 SELECT tip,
    noggin_reference,
    inspection_date,
    trailer_audit_id,
    team,
    team_hash,
    inspected_by,
    noggin_schema.payload_boolean(payload, 'driverPresentYes'::text) AS driver_present_yes,
    noggin_schema.payload_boolean(payload, 'driverPresentNo'::text) AS driver_present_no,
    vehicle,
    vehicle_hash,
    vehicle_id,
    noggin_schema.payload_boolean(payload, 'externallyExcellent'::text) AS externally_excellent,
    noggin_schema.payload_boolean(payload, 'externallyGood'::text) AS externally_good,
    noggin_schema.payload_boolean(payload, 'externallyFair'::text) AS externally_fair,
    noggin_schema.payload_boolean(payload, 'externallyUnacceptable'::text) AS externally_unacceptable,
    noggin_schema.payload_boolean(payload, 'internallyToolboxExcellent'::text) AS internally_toolbox_excellent,
    noggin_schema.payload_boolean(payload, 'internallyToolboxGood'::text) AS internally_toolbox_good,
    noggin_schema.payload_boolean(payload, 'internallyToolboxFair'::text) AS internally_toolbox_fair,
    noggin_schema.payload_boolean(payload, 'internallyToolboxUnacceptable'::text) AS internally_toolbox_unacceptable,
    (payload ->> 'comments'::text) AS comments,
    noggin_schema.payload_boolean(payload, 'revolvingBeaconYes'::text) AS revolving_beacon_yes,
    noggin_schema.payload_boolean(payload, 'revolvingBeaconNo'::text) AS revolving_beacon_no,
    noggin_schema.payload_boolean(payload, 'revolvingBeaconNA'::text) AS revolving_beacon_na,
    noggin_schema.payload_boolean(payload, 'spareTyreYes'::text) AS spare_tyre_yes,
    noggin_schema.payload_boolean(payload, 'spareTyreNo'::text) AS spare_tyre_no,
    noggin_schema.payload_boolean(payload, 'spareTyreNA'::text) AS spare_tyre_na,
    noggin_schema.payload_boolean(payload, 'fireExtinguisherYes'::text) AS fire_extinguisher_yes,
    noggin_schema.payload_boolean(payload, 'fireExtinguisherNo'::text) AS fire_extinguisher_no,
    noggin_schema.payload_boolean(payload, 'fireExtinguisherNA'::text) AS fire_extinguisher_na,
    noggin_schema.payload_boolean(payload, 'loadRestraintEquipmentYes'::text) AS load_restraint_equipment_yes,
    noggin_schema.payload_boolean(payload, 'loadRestraintEquipmentNo'::text) AS load_restraint_equipment_no,
    noggin_schema.payload_boolean(payload, 'loadRestraintEquipmentNA'::text) AS load_restraint_equipment_na,
    noggin_schema.payload_name(payload, 'regularDriver'::text) AS regular_driver,
    noggin_schema.payload_hash(payload, 'regularDriver'::text) AS regular_driver_hash,
    noggin_schema.payload_number(payload, 'noOfWebbingStraps'::text) AS no_of_webbing_straps,
    noggin_schema.payload_number(payload, 'noOfChains'::text) AS no_of_chains,
    noggin_schema.payload_number(payload, 'noOfGluts'::text) AS no_of_gluts,
    noggin_schema.payload_names(payload, 'correctiveActions'::text) AS corrective_actions,
    (payload -> 'correctiveActions'::text) AS corrective_actions_hashes,
    (payload ->> 'driverComment'::text) AS driver_comment,
    processing_status,
    permanently_failed,
    has_unknown_hashes,
    total_attachments,
    completed_attachment_count,
    all_attachments_complete,
    api_meta_created_date,
    api_meta_modified_date,
    created_at,
    updated_at
   FROM noggin_schema.noggin_data d
  WHERE ((object_code = 'TA'::text) OR ((object_code IS NULL) AND (object_type = 'Trailer Audits'::text)));

COMMENT ON VIEW noggin_schema.inspections_ta IS 'Trailer Audits: every field of the record.';

CREATE TABLE noggin_schema.later (
    run_at timestamp with time zone NOT NULL,
    seq bigint NOT NULL,
    tip text NOT NULL,
    gen integer NOT NULL,
    prio smallint NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='0');

COMMENT ON TABLE noggin_schema.later IS 'TIPs due at run_at: retries and scheduled work.';

ALTER TABLE noggin_schema.later ALTER COLUMN seq ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME noggin_schema.later_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE noggin_schema.lease (
    token bigint NOT NULL,
    host text NOT NULL,
    slot integer NOT NULL,
    instance uuid NOT NULL,
    boot bigint NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    tips text[] NOT NULL,
    gens integer[] NOT NULL,
    prios smallint[] NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');

COMMENT ON TABLE noggin_schema.lease IS 'One row per batch a worker holds; its token fences every write of the holder.';

ALTER TABLE noggin_schema.lease ALTER COLUMN token ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME noggin_schema.lease_token_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE noggin_schema.sources (
    source_id bigint NOT NULL,
    filename text NOT NULL,
    sha256 text NOT NULL,
    kind text DEFAULT 'tips'::text NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    object_code text,
    size_bytes bigint,
    status text DEFAULT 'loading'::text NOT NULL,
    rows_read bigint DEFAULT 0 NOT NULL,
    rows_imported bigint DEFAULT 0 NOT NULL,
    rows_known bigint DEFAULT 0 NOT NULL,
    rows_duplicate bigint DEFAULT 0 NOT NULL,
    rows_rejected bigint DEFAULT 0 NOT NULL,
    last_row bigint DEFAULT 0 NOT NULL,
    error_message text,
    loaded_by text,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    progress_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT sources_status_known CHECK ((status = ANY (ARRAY['loading'::text, 'loaded'::text, 'failed'::text])))
);

CREATE VIEW noggin_schema.loader_status AS
 SELECT source_id,
    filename,
    kind,
    object_code,
    version,
    status,
    rows_read,
    rows_imported,
    rows_known,
    rows_duplicate,
    rows_rejected,
    started_at,
    progress_at,
    finished_at,
    (EXTRACT(epoch FROM (COALESCE(finished_at, clock_timestamp()) - started_at)))::numeric(12,3) AS seconds,
    ((status = 'loading'::text) AND (progress_at < (clock_timestamp() - '00:05:00'::interval))) AS stalled
   FROM noggin_schema.sources;

CREATE TABLE noggin_schema.notices (
    notice_id bigint NOT NULL,
    kind text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    level bigint NOT NULL,
    message text NOT NULL,
    silent boolean DEFAULT false NOT NULL,
    host text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    waiting_for text[] DEFAULT '{}'::text[] NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_try_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    sent_at timestamp with time zone,
    error text
);

COMMENT ON TABLE noggin_schema.notices IS 'What the fleet told people by itself (notify.on), once for each change; the latest row of a subject is its state.';

ALTER TABLE noggin_schema.notices ALTER COLUMN notice_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME noggin_schema.notices_notice_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE noggin_schema.pacing_places (
    scope text NOT NULL,
    worker text NOT NULL,
    held integer NOT NULL,
    wanted integer NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL,
    CONSTRAINT pacing_places_held_sane CHECK ((held >= 0))
)
WITH (fillfactor='50');

COMMENT ON TABLE noggin_schema.pacing_places IS 'Who may have how many requests in flight. The sum of held stays within the cap of the scope.';

CREATE TABLE noggin_schema.processing_errors (
    error_id bigint NOT NULL,
    tip text,
    error_type text NOT NULL,
    error_message text,
    error_details jsonb,
    retry_attempt integer,
    worker_id character varying(300),
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    resolved boolean DEFAULT false NOT NULL
);

ALTER TABLE noggin_schema.processing_errors ALTER COLUMN error_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME noggin_schema.processing_errors_error_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE noggin_schema.queue_control (
    singleton boolean DEFAULT true NOT NULL,
    paused boolean DEFAULT false NOT NULL,
    reason text,
    paused_until timestamp with time zone,
    head bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT queue_control_singleton_check CHECK (singleton)
);

CREATE TABLE noggin_schema.ready (
    prio smallint NOT NULL,
    seq bigint NOT NULL,
    tip text NOT NULL,
    gen integer NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0.1');

COMMENT ON TABLE noggin_schema.ready IS 'TIPs due now. An entry counts only while its gen equals noggin_data.gen; others are stale and harmless.';

ALTER TABLE noggin_schema.ready ALTER COLUMN seq ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME noggin_schema.ready_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE noggin_schema.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    applied_by text NOT NULL
);

CREATE TABLE noggin_schema.session_log (
    session_id bigint NOT NULL,
    host text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    exit_code integer,
    summary jsonb
);

ALTER TABLE noggin_schema.session_log ALTER COLUMN session_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME noggin_schema.session_log_session_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE noggin_schema.sources ALTER COLUMN source_id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME noggin_schema.sources_source_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW noggin_schema.tips_in_flight AS
 SELECT d.tip,
    d.object_type,
    d.processing_status,
    d.gen,
    l.token,
    l.host,
    l.slot,
    l.lease_until,
    ((l.host || '/'::text) || l.slot) AS worker_id
   FROM ((noggin_schema.lease l
     CROSS JOIN LATERAL UNNEST(l.tips, l.gens) held(tip, gen))
     JOIN noggin_schema.noggin_data d ON (((d.tip = held.tip) AND (d.gen = held.gen))))
  WHERE (l.lease_until > clock_timestamp());

CREATE TABLE noggin_schema.unknown_hashes (
    entity_type text NOT NULL,
    hash_value text NOT NULL,
    first_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen_at timestamp with time zone DEFAULT now() NOT NULL,
    occurrence_count bigint DEFAULT 1 NOT NULL,
    resolved_at timestamp with time zone,
    resolved_value text
);

ALTER TABLE ONLY noggin_schema.attachments
    ADD CONSTRAINT attachments_pkey PRIMARY KEY (record_tip, attachment_tip);

ALTER TABLE ONLY noggin_schema.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (audit_id);

ALTER TABLE ONLY noggin_schema.breaker_doubts
    ADD CONSTRAINT breaker_doubts_pkey PRIMARY KEY (scope, tip, kind);

ALTER TABLE ONLY noggin_schema.breaker_events
    ADD CONSTRAINT breaker_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY noggin_schema.breaker_minutes
    ADD CONSTRAINT breaker_minutes_pkey PRIMARY KEY (minute, scope);

ALTER TABLE ONLY noggin_schema.breaker_open_time
    ADD CONSTRAINT breaker_open_time_pkey PRIMARY KEY (scope);

ALTER TABLE ONLY noggin_schema.breaker_state
    ADD CONSTRAINT breaker_state_pkey PRIMARY KEY (scope);

ALTER TABLE ONLY noggin_schema.breaker_votes
    ADD CONSTRAINT breaker_votes_pkey PRIMARY KEY (scope, worker);

ALTER TABLE ONLY noggin_schema.entity_hashes
    ADD CONSTRAINT entity_hashes_pkey PRIMARY KEY (hash_value);

ALTER TABLE ONLY noggin_schema.failed_records
    ADD CONSTRAINT failed_records_pkey PRIMARY KEY (failed_record_id);

ALTER TABLE ONLY noggin_schema.fleet_answers
    ADD CONSTRAINT fleet_answers_pkey PRIMARY KEY (request_id, host);

ALTER TABLE ONLY noggin_schema.fleet_hosts
    ADD CONSTRAINT fleet_hosts_pkey PRIMARY KEY (host);

ALTER TABLE ONLY noggin_schema.fleet_requests
    ADD CONSTRAINT fleet_requests_pkey PRIMARY KEY (id);

ALTER TABLE ONLY noggin_schema.fleet_workers
    ADD CONSTRAINT fleet_workers_pkey PRIMARY KEY (host, slot);

ALTER TABLE ONLY noggin_schema.folders
    ADD CONSTRAINT folders_pkey PRIMARY KEY (path);

ALTER TABLE ONLY noggin_schema.later
    ADD CONSTRAINT later_pkey PRIMARY KEY (run_at, seq);

ALTER TABLE ONLY noggin_schema.lease
    ADD CONSTRAINT lease_pkey PRIMARY KEY (token);

ALTER TABLE ONLY noggin_schema.noggin_data
    ADD CONSTRAINT noggin_data_pkey PRIMARY KEY (tip);

ALTER TABLE ONLY noggin_schema.notices
    ADD CONSTRAINT notices_pkey PRIMARY KEY (notice_id);

ALTER TABLE ONLY noggin_schema.pacing_places
    ADD CONSTRAINT pacing_places_pkey PRIMARY KEY (scope, worker);

ALTER TABLE ONLY noggin_schema.pacing_state
    ADD CONSTRAINT pacing_state_pkey PRIMARY KEY (scope);

ALTER TABLE ONLY noggin_schema.processing_errors
    ADD CONSTRAINT processing_errors_pkey PRIMARY KEY (error_id);

ALTER TABLE ONLY noggin_schema.queue_control
    ADD CONSTRAINT queue_control_pkey PRIMARY KEY (singleton);

ALTER TABLE ONLY noggin_schema.ready
    ADD CONSTRAINT ready_pkey PRIMARY KEY (prio, seq);

ALTER TABLE ONLY noggin_schema.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY noggin_schema.session_log
    ADD CONSTRAINT session_log_pkey PRIMARY KEY (session_id);

ALTER TABLE ONLY noggin_schema.sources
    ADD CONSTRAINT sources_pkey PRIMARY KEY (source_id);

ALTER TABLE ONLY noggin_schema.unknown_hashes
    ADD CONSTRAINT unknown_hashes_pkey PRIMARY KEY (entity_type, hash_value);

CREATE INDEX attachments_status_started ON noggin_schema.attachments USING btree (attachment_status, download_started_at DESC);

CREATE INDEX breaker_events_ts ON noggin_schema.breaker_events USING btree (ts);

CREATE INDEX entity_hashes_type ON noggin_schema.entity_hashes USING btree (entity_type, entity_name);

CREATE INDEX failed_records_source ON noggin_schema.failed_records USING btree (source_id, row_number);

CREATE INDEX folders_tip ON noggin_schema.folders USING btree (tip);

CREATE INDEX noggin_data_dead ON noggin_schema.noggin_data USING btree (updated_at) WHERE permanently_failed;

CREATE INDEX noggin_data_due ON noggin_schema.noggin_data USING btree (tip) WHERE ((NOT permanently_failed) AND (processing_status = ANY (ARRAY['pending'::text, 'failed'::text, 'interrupted'::text, 'partial'::text, 'api_failed'::text, 'api_success'::text])));

CREATE INDEX noggin_data_inspection_date ON noggin_schema.noggin_data USING btree (inspection_date);

CREATE INDEX noggin_data_reference ON noggin_schema.noggin_data USING btree (noggin_reference);

CREATE INDEX noggin_data_unknown ON noggin_schema.noggin_data USING btree (tip) WHERE has_unknown_hashes;

CREATE INDEX noggin_data_updated_at ON noggin_schema.noggin_data USING btree (updated_at DESC);

CREATE INDEX notices_subject ON noggin_schema.notices USING btree (kind, subject, notice_id DESC);

CREATE INDEX notices_waiting ON noggin_schema.notices USING btree (next_try_at) WHERE (waiting_for <> '{}'::text[]);

CREATE INDEX processing_errors_created ON noggin_schema.processing_errors USING btree (created_at);

CREATE INDEX processing_errors_tip ON noggin_schema.processing_errors USING btree (tip, created_at);

CREATE INDEX sources_sha256 ON noggin_schema.sources USING btree (sha256);

CREATE TRIGGER fleet_requested AFTER INSERT ON noggin_schema.fleet_requests FOR EACH ROW EXECUTE FUNCTION noggin_schema.fleet_requested();

CREATE TRIGGER noggin_data_before_update BEFORE UPDATE ON noggin_schema.noggin_data FOR EACH ROW EXECUTE FUNCTION noggin_schema.noggin_data_before_update();

CREATE TRIGGER noggin_data_file_inserted AFTER INSERT ON noggin_schema.noggin_data REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION noggin_schema.noggin_data_file_inserted();

CREATE TRIGGER noggin_data_file_updated AFTER UPDATE ON noggin_schema.noggin_data REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION noggin_schema.noggin_data_file_updated();

CREATE TRIGGER noggin_data_truncated AFTER TRUNCATE ON noggin_schema.noggin_data FOR EACH STATEMENT EXECUTE FUNCTION noggin_schema.noggin_data_truncated();

ALTER TABLE ONLY noggin_schema.failed_records
    ADD CONSTRAINT failed_records_source_id_fkey FOREIGN KEY (source_id) REFERENCES noggin_schema.sources(source_id) ON DELETE CASCADE;

ALTER TABLE ONLY noggin_schema.fleet_answers
    ADD CONSTRAINT fleet_answers_request_id_fkey FOREIGN KEY (request_id) REFERENCES noggin_schema.fleet_requests(id) ON DELETE CASCADE;
