-- Pacing: how fast, and with how many requests at once, the whole fleet may ask; the functions are
-- the only writers of the tables. One row of pacing_state per scope with a rate. domain/pacing.py holds the same arithmetic in Python, explained and proven;
-- a test holds the two equal to the last bit, which is why times are seconds in double precision.
-- A worker reserves a chunk of slots and gets them as seconds from now: clocks need not agree.

CREATE TABLE pacing_state (
    scope      text PRIMARY KEY,                             -- `host`, or `host:role` with a rate of its own
    intervals  double precision[] NOT NULL DEFAULT '{}',     -- per window: the even distance of slots
    bursts     integer[] NOT NULL DEFAULT '{}',
    tats       double precision[] NOT NULL DEFAULT '{}',     -- per window: theoretical arrival time, epoch seconds
    last_slot  double precision,                             -- the latest slot given out, epoch seconds
    factor     double precision NOT NULL DEFAULT 1           -- share of the rate, when it adapts, at factor_at
        CONSTRAINT pacing_state_factor_sane CHECK (factor > 0 AND factor <= 1),
    factor_at  double precision,
    updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
COMMENT ON TABLE pacing_state IS
    'What slots of each paced scope are given out already. Written once per chunk, not per request.';

-- Locks the scope for this transaction; gives now, read after the lock was granted.
CREATE FUNCTION pacing_lock(p_scope text, p_now double precision) RETURNS double precision
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('noggin_pacing:' || current_schema() || ':' || p_scope, 0));
    RETURN coalesce(p_now, extract(epoch FROM clock_timestamp())::double precision);
END
$$;

-- The share of its rate that an adaptive scope has now: it grows back by a tenth per minute.
CREATE FUNCTION pacing_factor(p_row pacing_state, p_now double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE AS $$
    SELECT least(1::double precision,
        p_row.factor + 0.1::double precision / 60 * greatest(0::double precision, p_now - coalesce(p_row.factor_at, p_now)))
$$;

-- Up to p_n slots, as seconds from now; all of them or, with the wait before asking again, none.
-- `waited_s` is how long the lock took: time that is no doubt about when now was.
CREATE FUNCTION pacing_reserve(
    p_scope text, p_intervals double precision[], p_bursts integer[], p_adaptive boolean, p_n integer,
    p_horizon_s double precision, p_chunk_s double precision, p_now double precision DEFAULT NULL
) RETURNS jsonb
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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

-- The API complained (429, 5xx): an adaptive scope goes on at seven tenths, once in five seconds.
-- A scope that nothing was reserved of yet has nothing to slow down. Gives the factor.
CREATE FUNCTION pacing_slow(p_scope text, p_now double precision DEFAULT NULL) RETURNS double precision
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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

-- Requests in flight: each worker holds a share of its scope's cap, on a lease that it renews.
CREATE TABLE pacing_places (
    scope   text NOT NULL,
    worker  text NOT NULL,
    held    integer NOT NULL CONSTRAINT pacing_places_held_sane CHECK (held >= 0),
    wanted  integer NOT NULL,
    seen_at timestamptz NOT NULL,
    until   timestamptz NOT NULL,
    PRIMARY KEY (scope, worker)
) WITH (fillfactor = 50);
COMMENT ON TABLE pacing_places IS
    'Who may have how many requests in flight. The sum of held stays within the cap of the scope.';

-- How many requests the worker may have in flight from now on. What it has beyond that, it goes on
-- holding until it says that they have ended. domain/places.py explains the rule.
CREATE FUNCTION pacing_share(
    p_scope text, p_worker text, p_cap integer, p_in_flight integer, p_wanted integer,
    p_ttl_s double precision, p_fresh_s double precision, p_now timestamptz DEFAULT NULL
) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
