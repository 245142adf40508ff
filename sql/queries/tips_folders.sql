-- The folders below the output root that a TIP has claimed.
SELECT path FROM folders WHERE tip = %(tip)s ORDER BY claimed_at
