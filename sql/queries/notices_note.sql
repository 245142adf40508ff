-- Note a change; without channels it is told to nobody.
INSERT INTO notices (kind, subject, level, message, silent, host, waiting_for)
VALUES (%(kind)s, %(subject)s, %(level)s, %(message)s, %(silent)s, %(host)s, %(channels)s)
