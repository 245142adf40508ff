-- A TIP that came through has its earlier errors behind it.
UPDATE processing_errors SET resolved = true WHERE tip = ANY (%(tips)s) AND NOT resolved
