-- Claim a folder for a TIP before its first file; gives the owner, which is somebody else on a clash.
WITH claimed AS (
    INSERT INTO folders (path, tip) VALUES (%(path)s, %(tip)s)
    ON CONFLICT (path) DO NOTHING RETURNING tip
)
SELECT tip FROM claimed UNION ALL SELECT tip FROM folders WHERE path = %(path)s LIMIT 1
