-- The names of those hashes that have one.
SELECT hash_value, entity_name FROM entity_hashes WHERE hash_value = ANY (%(hashes)s)
