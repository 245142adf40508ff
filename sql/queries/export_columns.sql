-- The columns of a table of ours, in their order.
SELECT attname FROM pg_attribute
WHERE attrelid = (quote_ident(current_schema()) || '.' || quote_ident(%(table)s))::regclass
  AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
