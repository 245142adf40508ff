"""What must hold of a finished fleet, whatever happened to it on the way."""

import hashlib
from pathlib import Path

from tests.support import fleet

COUNT_SETTLES = """
CREATE TABLE settled (tip text, gen int, at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION count_settles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.processing_status IN ('complete', 'not_found') THEN
        INSERT INTO noggin_schema.settled (tip, gen) VALUES (OLD.tip, OLD.gen);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER count_settles AFTER UPDATE ON noggin_data
    FOR EACH ROW EXECUTE FUNCTION count_settles();
"""


def check_done(site: fleet.Site, *, tips: int) -> None:
    """Every TIP is settled, each once under its gen; files and rows agree; nothing is held."""
    with site.connect() as connection:
        states = dict(
            connection.execute(
                "SELECT processing_status, count(*) FROM noggin_data GROUP BY 1"
            ).fetchall()
        )
        twice = connection.execute(
            "SELECT tip, gen FROM settled GROUP BY tip, gen HAVING count(*) > 1"
        ).fetchall()
        dead = connection.execute(
            "SELECT tip, last_error_message FROM noggin_data WHERE permanently_failed"
        ).fetchall()
    assert sum(states.values()) == tips
    assert set(states) <= {"complete", "not_found"}, states
    assert (twice, dead) == ([], [])
    assert site.value("SELECT count(*) FROM tips_in_flight") == 0
    check_files(site)


def check_files(site: fleet.Site) -> None:
    """Every attachment row is a file with its hash, and no other file lies about."""
    with site.connect() as connection:
        rows: list[tuple[str, str]] = connection.execute(
            "SELECT file_path, file_hash_sha256 FROM attachments"
        ).fetchall()
    for path, sha256 in rows:
        with Path(path).open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == sha256, path
    on_disk = [path for path in site.output.rglob("*") if path.is_file()]
    photos = {str(path) for path in on_disk if path.suffix != ".txt"}
    assert photos == {path for path, _ in rows}
    assert not [path for path in on_disk if path.name.endswith(".tmp")]
