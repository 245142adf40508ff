-- One change made by a person: who, what, to what, why, how many rows.
INSERT INTO audit_log (who, action, target, reason, affected, details)
VALUES (%(who)s, %(action)s, %(target)s, %(reason)s, %(affected)s, %(details)s)
