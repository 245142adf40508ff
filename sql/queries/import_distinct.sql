-- How many different TIPs are staged.
SELECT count(*) FROM (SELECT FROM import_staged GROUP BY tip) AS different
