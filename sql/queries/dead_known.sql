-- Those of given TIPs that are dead letters, with their gen.
SELECT tip, gen FROM noggin_data WHERE tip = ANY (%(tips)s) AND permanently_failed ORDER BY tip
