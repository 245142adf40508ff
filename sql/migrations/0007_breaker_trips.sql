-- Who tripped a scope and when, so that each trip is counted by exactly one worker; reasons that say of what
-- kind the failures were; one limit for both roles of a host; a fleet's host that fails alone does not trip
-- the others; announcements that name their schema; and the open time of pruned events, kept.

ALTER TABLE breaker_state
    ADD COLUMN tripped_by text,
    ADD COLUMN tripped_at timestamptz;   -- tells one trip from the next: it always grows

-- The total of an ever growing counter must not fall when the events it is added up from are pruned.
CREATE TABLE breaker_open_time (
    scope   text PRIMARY KEY,
    seconds double precision NOT NULL
);
COMMENT ON TABLE breaker_open_time IS 'How long scopes were open in the time of events that were pruned.';

-- How long a scope was open after each event that opened it; a forced opening ends without an event.
CREATE VIEW breaker_open_spans AS
SELECT id, ts, scope, extract(epoch FROM ended - ts)::double precision AS seconds, latest
FROM (
    SELECT id, ts, scope, new_state, lead(id) OVER by_scope IS NULL AS latest, greatest(ts, least(
               lead(ts, 1, clock_timestamp()) OVER by_scope,
               CASE WHEN event_type = 'force' THEN ts + make_interval(secs => (details->>'seconds')::float8) END)) AS ended
    FROM breaker_events WHERE new_state IS NOT NULL
    WINDOW by_scope AS (PARTITION BY scope ORDER BY id)) AS spans
WHERE new_state IN ('open', 'half_open', 'forced_open');

-- What a gate needs of a row, with times as remaining seconds: remaining_s null = no end known.
CREATE OR REPLACE FUNCTION breaker_view(p_row breaker_state, p_now timestamptz) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
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

-- The whole fleet's pause, in the shape of a row: scope `*`, its epoch grows with every change.
CREATE OR REPLACE FUNCTION fleet_view(p_now timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
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

-- Writes a changed row: next epoch, one NOTIFY, one event unless p_event is null. Returns its view.
-- Listeners of another schema of the same database hear the NOTIFY too; the schema in it tells them.
CREATE OR REPLACE FUNCTION breaker_change(
    p_row breaker_state, p_event text, p_worker text, p_details jsonb, p_now timestamptz
) RETURNS jsonb
LANGUAGE plpgsql AS $$
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

-- What the fleet's votes come to: trip_streak | trip_share | trip_slow | quarantine | none.
-- Workers in quarantine neither count nor are needed.
CREATE OR REPLACE FUNCTION breaker_decide(p_scope text, p_worker text, p_policy jsonb, p_now timestamptz)
RETURNS TABLE (decision text, streak bigint, own integer, voters bigint, needed bigint, busy bigint,
               ok bigint, failed bigint, slow bigint)
LANGUAGE plpgsql STABLE AS $$
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

-- Acts on a decision for a closed scope. Returns the row's view when the row changed, else null.
CREATE OR REPLACE FUNCTION breaker_act(
    p_row breaker_state, p_decision jsonb, p_worker text, p_policy jsonb, p_now timestamptz
) RETURNS jsonb
LANGUAGE plpgsql AS $$
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

-- True for a failure to reach the API at all: no record has a part in that, whoever succeeds elsewhere.
CREATE FUNCTION breaker_unconnected(p_reason text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT p_reason IN ('dns', 'refused', 'unreachable', 'connect_timeout', 'tls', 'tls_certificate')
$$;

-- One failed request, reported by its worker before the next one. `charge` says who pays: see migration 3.
-- New: `unconnected`, nobody; and others testify only where no network of one worker, or of one host,
-- explains the failure: the TIP failed at two workers, and theirs is the host of the witness, or at two hosts.
CREATE OR REPLACE FUNCTION breaker_report(
    p_scope text, p_worker text, p_epoch bigint, p_tip text, p_reason text,
    p_ok integer, p_failed integer, p_slow integer, p_ok_age_s double precision,
    p_policy jsonb, p_now timestamptz DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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

-- The end of a trial: success | failure | refused (a 401) | inconclusive. The epoch is the fence.
-- `charge` is `alone` when one TIP failed as three trials running: then it is all there is to try. New: trials
-- that did not reach the API do not count.
CREATE OR REPLACE FUNCTION breaker_probe_done(
    p_scope text, p_worker text, p_epoch bigint, p_result text, p_fingerprint text, p_tip text,
    p_reason text, p_policy jsonb, p_now timestamptz DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
