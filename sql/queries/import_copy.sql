-- Rows into the staging table.
COPY import_staged FROM STDIN
