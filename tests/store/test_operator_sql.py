"""The SQL that operators' documents contain, run as they run it: psql, without any search_path."""

import shutil
import subprocess
from pathlib import Path

import pytest

from noggin_mp.store import embedded, session

FILE = Path(__file__).parents[1] / "data" / "operator_sql.sql"


def psql(dsn: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """psql's end, by the wheel's program or the one on PATH."""
    wheel = embedded.psql_path()
    program = str(wheel) if wheel.is_file() else shutil.which("psql") or "psql"
    return subprocess.run(
        [program, "-X", "-v", "ON_ERROR_STOP=1", "-d", dsn, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def fill(conn: session.Connection) -> None:
    """Records in several states, with attachments, errors and hashes."""
    conn.execute(
        "INSERT INTO noggin_data (tip, object_type, processing_status, lcd_inspection_id,"
        " inspection_date, has_unknown_hashes, total_attachments, payload)"
        " SELECT md5(n::text), 'Load Compliance Check (Driver/Loader)',"
        " (ARRAY['pending','complete','failed','partial','api_failed','skipped'])[n % 6 + 1],"
        " 'LCD - ' || n, date '2025-01-01' + n, n % 5 = 0, 2, jsonb_build_object('n', n)"
        " FROM generate_series(1, 300) n"
    )
    conn.execute(
        "INSERT INTO attachments (record_tip, attachment_tip, attachment_sequence, filename,"
        " attachment_status, file_size_bytes, download_started_at, download_completed_at)"
        " SELECT tip, tip || '-' || k, k, tip || '.jpg', 'complete', 2000000, now(), now()"
        " FROM noggin_data, generate_series(1, 2) k"
    )
    conn.execute(
        "INSERT INTO processing_errors (tip, error_type, error_message)"
        " SELECT tip, 'api_failed', 'HTTP 500' FROM noggin_data LIMIT 50"
    )
    conn.execute(
        "INSERT INTO unknown_hashes (entity_type, hash_value)"
        " SELECT 'vehicle', md5(n::text) FROM generate_series(1, 20) n"
    )


@pytest.mark.parametrize("strict", [False, True], ids=["plain", "strict"])
@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
def test_operator_sql_passes_when_database_is_migrated(
    migrated: str, conn: session.Connection, strict: bool, full: bool
) -> None:
    if full:
        fill(conn)
    done = psql(migrated, *(["-v", "strict=1"] if strict else []), "-f", str(FILE))
    assert done.returncode == 0, done.stderr[-2000:]
    assert "operator_sql: all statements ran" in done.stdout
