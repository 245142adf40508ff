-- Names into the staging table.
COPY lookups_staged FROM STDIN
