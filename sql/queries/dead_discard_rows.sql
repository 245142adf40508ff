-- Mark rejected input rows as dealt with.
UPDATE failed_records SET resolved = true WHERE failed_record_id = ANY (%(ids)s) AND NOT resolved
