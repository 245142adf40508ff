-- Delete a batch of old errors, but for those of TIPs that are not done yet; row count = how many.
DELETE FROM processing_errors WHERE error_id IN (
    SELECT e.error_id FROM processing_errors e
    WHERE e.created_at < %(before)s
      AND (e.resolved OR NOT EXISTS (
          SELECT 1 FROM noggin_data d
          WHERE d.tip = e.tip
            AND (d.permanently_failed OR d.processing_status NOT IN ('complete', 'not_found', 'skipped'))))
    ORDER BY e.created_at LIMIT %(limit)s)
