-- The last finished load of exactly this content, if there was one.
SELECT source_id, version, filename, rows_rejected FROM sources
WHERE sha256 = %(sha256)s AND kind = %(kind)s AND status = 'loaded'
ORDER BY source_id DESC LIMIT 1
