-- How many suspects wait, up to as many as could matter to one host's workers.
SELECT count(*) FROM (SELECT FROM ready WHERE prio = 9 LIMIT 512) AS found
