-- Unknown hashes that entity_hashes can name now are resolved.
UPDATE unknown_hashes u SET resolved_at = now(), resolved_value = e.entity_name
FROM entity_hashes e
WHERE e.hash_value = u.hash_value
  AND (u.resolved_at IS NULL OR u.resolved_value IS DISTINCT FROM e.entity_name)
  AND EXISTS (SELECT FROM lookups_staged s WHERE s.hash_value = u.hash_value)
