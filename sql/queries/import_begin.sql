-- A source that starts to load; a file name that comes with other content gets the next version.
INSERT INTO sources (filename, sha256, kind, object_code, size_bytes, loaded_by, version)
VALUES (%(filename)s, %(sha256)s, %(kind)s, %(object_code)s, %(size_bytes)s, %(loaded_by)s,
        coalesce(
            (SELECT min(version) FROM sources
             WHERE filename = %(filename)s AND kind = %(kind)s AND sha256 = %(sha256)s),
            (SELECT max(version) + 1 FROM sources
             WHERE filename = %(filename)s AND kind = %(kind)s),
            1))
RETURNING source_id, version
