-- What a token is tried on: the TIP completed last, else the head of the queue.
SELECT tip, object_code, object_type, known FROM (
    (SELECT 1 AS place, tip, object_code, object_type, true AS known
     FROM noggin_data WHERE processing_status = 'complete' ORDER BY updated_at DESC LIMIT 1)
    UNION ALL
    (SELECT 2, d.tip, d.object_code, d.object_type, false
     FROM ready r JOIN noggin_data d ON d.tip = r.tip AND d.gen = r.gen ORDER BY r.prio, r.seq LIMIT 1)
    UNION ALL
    (SELECT 3, d.tip, d.object_code, d.object_type, false
     FROM later l JOIN noggin_data d ON d.tip = l.tip AND d.gen = l.gen ORDER BY l.run_at, l.seq LIMIT 1)
) AS found ORDER BY place LIMIT 1
