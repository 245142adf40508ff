-- What somebody writes into fleet_requests by hand is read by every host: nonsense is refused where it is
-- written, in words.

DELETE FROM fleet_requests
WHERE jsonb_typeof(args) <> 'object' OR NOT isfinite(created_at) OR NOT isfinite(expires_at)
   OR expires_at > created_at + interval '367 days';
ALTER TABLE fleet_requests
    ADD CONSTRAINT fleet_requests_args CHECK (jsonb_typeof(args) = 'object'),
    ADD CONSTRAINT fleet_requests_times CHECK (
        isfinite(created_at) AND isfinite(expires_at) AND expires_at <= created_at + interval '367 days');

CREATE OR REPLACE FUNCTION fleet_request(
    verb text, workers integer DEFAULT NULL, host text DEFAULT NULL, reason text DEFAULT '',
    who text DEFAULT session_user, seconds double precision DEFAULT 120
) RETURNS bigint
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
