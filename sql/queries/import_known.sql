-- How many different staged TIPs noggin_data has already (for a dry run), and how many without a type.
SELECT count(*), count(*) FILTER (WHERE d.object_type = 'unknown')
FROM (SELECT tip FROM import_staged GROUP BY tip) AS s JOIN noggin_data d USING (tip)
