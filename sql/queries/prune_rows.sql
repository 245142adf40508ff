-- Delete a batch of rejected rows that were dealt with, of runs, of requests, of hosts long gone; how many of each.
WITH rejected AS (
    DELETE FROM failed_records WHERE failed_record_id IN (
        SELECT failed_record_id FROM failed_records WHERE resolved AND created_at < %(before)s
        ORDER BY failed_record_id LIMIT %(limit)s)
    RETURNING 1),
sessions AS (
    DELETE FROM session_log WHERE session_id IN (
        SELECT session_id FROM session_log WHERE finished_at < %(before)s
        ORDER BY session_id LIMIT %(limit)s)
    RETURNING 1),
requests AS (
    DELETE FROM fleet_requests WHERE id IN (
        SELECT id FROM fleet_requests WHERE created_at < %(before)s ORDER BY id LIMIT %(limit)s)
    RETURNING 1),
workers AS (
    DELETE FROM fleet_workers w WHERE heartbeat_at < %(before)s
      AND NOT EXISTS (SELECT 1 FROM lease l WHERE l.host = w.host AND l.slot = w.slot)
    RETURNING 1),
hosts AS (
    DELETE FROM fleet_hosts h WHERE heartbeat_at < %(before)s AND NOT leader
      AND NOT EXISTS (SELECT 1 FROM fleet_workers w WHERE w.host = h.host AND w.heartbeat_at >= %(before)s)
      AND NOT EXISTS (SELECT 1 FROM lease l WHERE l.host = h.host)
    RETURNING 1)
SELECT (SELECT count(*) FROM rejected), (SELECT count(*) FROM sessions), (SELECT count(*) FROM requests),
       (SELECT count(*) FROM workers), (SELECT count(*) FROM hosts)
