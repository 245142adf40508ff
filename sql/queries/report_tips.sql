-- TIPs by status, and how many of each are dead letters.
SELECT processing_status, count(*), count(*) FILTER (WHERE permanently_failed)
FROM noggin_data GROUP BY processing_status
