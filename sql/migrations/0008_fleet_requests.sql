-- What hosts tell about themselves, requests from anybody to the supervisors of one host or of all, and on
-- whose disk each file lies.

ALTER TABLE fleet_hosts SET (fillfactor = 50);   -- a beat a second
ALTER TABLE fleet_hosts
    ADD COLUMN stopped_at timestamptz,   -- signed off cleanly; null while at work
    ADD COLUMN output text,              -- paths.output there: file_path in attachments lies below it
    ADD COLUMN facts jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN fleet_hosts.facts IS
    'What its supervisor last wrote down: phase, slots by state, config_error and the like.';

-- Files of one record may lie on several hosts, when each writes below a folder of its own.
ALTER TABLE attachments ADD COLUMN host text;
COMMENT ON COLUMN attachments.host IS 'The host that wrote the file; on its disk when the output folder is not shared.';

CREATE TABLE fleet_requests (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verb       text NOT NULL CONSTRAINT fleet_requests_verb_known CHECK (verb IN ('drain', 'scale', 'reload')),
    args       jsonb NOT NULL DEFAULT '{}',
    host       text,                     -- null: every host
    who        text NOT NULL DEFAULT session_user,
    reason     text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL DEFAULT clock_timestamp() + interval '2 minutes',
    CONSTRAINT fleet_requests_size CHECK (
        verb <> 'scale' OR coalesce(args->>'workers', '') ~ '^[1-9][0-9]{0,3}$'));
COMMENT ON TABLE fleet_requests IS
    'What somebody wants of the supervisors. A plain INSERT will do; after expires_at nobody obeys.';

CREATE TABLE fleet_answers (
    request_id bigint NOT NULL REFERENCES fleet_requests ON DELETE CASCADE,
    host       text NOT NULL,
    taken_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    at         timestamptz,              -- null: taken, the outcome is not known yet
    ok         boolean,
    detail     jsonb,
    PRIMARY KEY (request_id, host)
);
COMMENT ON TABLE fleet_answers IS 'What each host made of a request; a request is carried out once per host.';

-- Announced to the schema's own monitors, and audited, however the request was made.
CREATE FUNCTION fleet_requested() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
CREATE TRIGGER fleet_requested AFTER INSERT ON fleet_requests
    FOR EACH ROW EXECUTE FUNCTION fleet_requested();

-- The hosts as people want to see them. A host is heard through its monitor or any worker of it:
-- silent after 10 s, gone after 5 minutes, stopped when it said so and nobody there beats any more.
CREATE VIEW fleet_overview AS
SELECT h.host,
       CASE WHEN h.stopped_at IS NOT NULL AND coalesce(w.heard_at <= n.now - interval '10 s', true) THEN 'stopped'
            WHEN heard.at > n.now - interval '10 s'
                THEN CASE WHEN h.facts->>'phase' = 'draining' THEN 'draining' ELSE 'up' END
            WHEN heard.at > n.now - interval '5 minutes' THEN 'silent'
            ELSE 'gone' END AS state,
       h.leader AND heard.at > n.now - interval '10 s' AND h.stopped_at IS NULL AS leader,
       coalesce(w.up, 0)::integer AS workers,
       coalesce((h.facts->>'wanted')::integer, w.up)::integer AS wanted,
       coalesce(w.busy, 0)::integer AS busy,
       coalesce(w.blocked, 0)::integer AS blocked,
       coalesce((h.facts->'slots'->>'parked')::integer, 0) AS parked,
       h.version,
       h.facts->>'config_version' AS config_version,
       h.facts->>'config_error' AS config_error,
       h.instance::text AS instance,
       h.started_at,
       heard.at AS heard_at,
       greatest(0, extract(epoch FROM n.now - heard.at))::double precision AS silent_s,
       h.output,
       (SELECT count(*) FROM fleet_requests r
        WHERE (r.host = h.host OR r.host IS NULL AND r.created_at >= h.started_at)
          AND r.expires_at > n.now
          AND NOT EXISTS (SELECT FROM fleet_answers a
                          WHERE a.request_id = r.id AND a.host = h.host AND a.at IS NOT NULL))::integer AS requests
FROM (SELECT clock_timestamp() AS now) AS n
CROSS JOIN fleet_hosts h
LEFT JOIN LATERAL (
    SELECT max(heartbeat_at) AS heard_at, sum(busy) FILTER (WHERE fresh) AS busy,
           count(*) FILTER (WHERE fresh) AS up, count(*) FILTER (WHERE fresh AND state = 'blocked') AS blocked
    FROM (SELECT f.state, f.busy, f.heartbeat_at, f.heartbeat_at > n.now - interval '10 s' AS fresh
          FROM fleet_workers f WHERE f.host = h.host AND f.slot < 10000 AND f.state <> 'stopped') AS living) AS w ON true
CROSS JOIN LATERAL (SELECT greatest(h.heartbeat_at, w.heard_at) AS at) AS heard;

-- For people in psql: SELECT fleet_request('drain', host => 'a', reason => 'new disk');
-- Gives the request's id; what became of it is in fleet_answers.
CREATE FUNCTION fleet_request(
    verb text, workers integer DEFAULT NULL, host text DEFAULT NULL, reason text DEFAULT '',
    who text DEFAULT session_user, seconds double precision DEFAULT 120
) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    v_known text := (SELECT string_agg(h.host, ', ' ORDER BY h.host) FROM fleet_hosts h);
    v_id bigint;
BEGIN
    IF fleet_request.host IS NOT NULL
       AND NOT EXISTS (SELECT FROM fleet_hosts h WHERE h.host = fleet_request.host) THEN
        RAISE EXCEPTION 'no host called % has ever signed in; known: %', fleet_request.host, coalesce(v_known, 'none')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO fleet_requests (verb, args, host, who, reason, expires_at)
    VALUES (fleet_request.verb,
            CASE WHEN fleet_request.workers IS NULL THEN '{}' ELSE jsonb_build_object('workers', fleet_request.workers) END,
            fleet_request.host, fleet_request.who, coalesce(fleet_request.reason, ''),
            clock_timestamp() + make_interval(secs => fleet_request.seconds))
    RETURNING id INTO v_id;
    RETURN v_id;
END
$$;

-- A monitor's turn: this host is alive, and this is how it is; the requests that wait for it come back.
-- `late`: the request is older than this host's supervisor, so it was meant for its predecessor.
CREATE FUNCTION fleet_present(
    p_host text, p_instance uuid, p_version text, p_output text, p_facts jsonb, p_age_s double precision
) RETURNS jsonb
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
