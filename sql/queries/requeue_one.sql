-- Ask for one TIP by name, as an operator's UPDATE would; nothing when it is unknown.
UPDATE noggin_data
SET processing_status = 'pending', retry_count = 0, next_retry_at = NULL,
    gen = gen + (processing_status = 'pending')::integer
WHERE tip = %(tip)s
  AND NOT EXISTS (SELECT FROM tips_in_flight f WHERE f.tip = %(tip)s)
RETURNING tip
