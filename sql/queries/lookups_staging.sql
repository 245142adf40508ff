-- Where the names of one file wait; private to the session and its transaction.
CREATE TEMPORARY TABLE lookups_staged (
    line        bigint NOT NULL,
    hash_value  text NOT NULL,
    entity_type text NOT NULL,
    entity_name text NOT NULL
) ON COMMIT DROP
