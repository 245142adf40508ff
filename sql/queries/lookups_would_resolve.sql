-- How many open unknown hashes the staged names would resolve.
SELECT count(*) FROM unknown_hashes u
WHERE u.resolved_at IS NULL
  AND EXISTS (SELECT FROM lookups_staged s WHERE s.hash_value = u.hash_value)
