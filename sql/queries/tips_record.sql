-- One row of noggin_data as it stands, columns without a value left out; the payload only on request.
SELECT jsonb_strip_nulls(to_jsonb(d) - 'payload')
    || CASE WHEN %(payload)s THEN jsonb_build_object('payload', d.payload) ELSE '{}'::jsonb END
FROM noggin_data d WHERE d.tip = %(tip)s
