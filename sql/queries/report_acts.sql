-- What people changed by command in a span of time, the latest first.
SELECT ts, who, action, target, reason, affected FROM audit_log
WHERE ts >= %(start)s AND ts < %(end)s ORDER BY ts DESC, audit_id DESC LIMIT %(limit)s
