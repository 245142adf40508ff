"""`prune`: what is old and done goes, what somebody may still need stays."""

import os
import time
from pathlib import Path

import pytest

from noggin_mp.store import pruning, session
from tests.support.command import Command

FILL = """
INSERT INTO noggin_data (tip, processing_status, permanently_failed) VALUES
    ('done', 'complete', false), ('dead', 'failed', true), ('open', 'failed', false);
CREATE TEMPORARY TABLE ages AS SELECT now() - make_interval(days => d) AS at
    FROM unnest(ARRAY[100, 80]) AS d;
INSERT INTO processing_errors (tip, error_type, resolved, created_at)
    SELECT t, 'http_503', r, at FROM ages, (VALUES ('done', true), ('done', false),
        ('dead', false), ('open', false), ('open', true), (NULL, false)) AS e (t, r);
INSERT INTO failed_records (row_number, reason, resolved, created_at)
    SELECT 1, 'x', r, at FROM ages, (VALUES (true), (false)) AS f (r);
INSERT INTO audit_log (ts, who, action) SELECT at, 'somebody', 'tips retry' FROM ages;
INSERT INTO session_log (host, started_at, finished_at)
    SELECT 'here', min(at), f FROM ages, (VALUES (now()), (NULL)) AS s (f) GROUP BY f
    UNION ALL SELECT 'here', min(at), min(at) FROM ages;
INSERT INTO fleet_requests (verb, created_at) SELECT 'reload', at FROM ages;
INSERT INTO fleet_hosts (host, instance, heartbeat_at)
    SELECT 'gone', gen_random_uuid(), min(at) FROM ages
    UNION ALL SELECT 'here', gen_random_uuid(), now();
INSERT INTO fleet_workers (host, slot, instance, boot, heartbeat_at)
    SELECT 'gone', 0, gen_random_uuid(), 1, min(at) FROM ages
    UNION ALL SELECT 'here', 9, gen_random_uuid(), 1, min(at) FROM ages
    UNION ALL SELECT 'here', 0, gen_random_uuid(), 1, now();
"""
"""Old and newer things of every kind, and TIPs in every state that matters."""

LEFT = """
SELECT (SELECT count(*) FROM processing_errors), (SELECT count(*) FROM failed_records),
       (SELECT count(*) FROM fleet_workers), (SELECT count(*) FROM fleet_hosts),
       (SELECT count(*) FROM session_log), (SELECT count(*) FROM fleet_requests),
       (SELECT count(*) FROM noggin_data)
"""


@pytest.fixture
def noggin(tmp_path: Path, migrated: str) -> Command:
    return Command(tmp_path, migrated)


GONE = {
    "errors": 4, "rejected_rows": 1, "sessions": 1, "requests": 1, "workers": 2, "hosts": 1
}  # fmt: skip


def test_prune_deletes_what_is_old_and_done(noggin: Command, conn: session.Connection) -> None:
    conn.execute(FILL)
    before = conn.execute(LEFT).fetchone()
    dry = noggin("prune", "--dry-run", "--json")
    assert conn.execute(LEFT).fetchone() == before
    done = noggin("prune", "--yes", "--json", "--reason", "spring")

    assert done.code == 0, done.err
    told = {name: number for name, number in done.json["pruned"].items() if number}
    assert told == GONE
    assert dry.json["pruned"] == done.json["pruned"]
    assert conn.execute(LEFT).fetchone() == (8, 3, 1, 1, 2, 1, 3)
    kept = conn.execute(
        "SELECT DISTINCT tip FROM processing_errors WHERE created_at < now() - interval '90 days'"
    ).fetchall()
    assert {row[0] for row in kept} == {"dead", "open"}


def test_prune_is_written_down_and_older_entries_stay(
    noggin: Command, conn: session.Connection
) -> None:
    conn.execute(FILL)
    noggin("prune", "--older-than", "85d", "--yes", "--reason", "spring")

    rows = conn.execute(
        "SELECT action, reason, affected, details->>'errors' FROM audit_log"
        " WHERE action NOT LIKE 'fleet %' ORDER BY audit_id"  # which the requests of the past wrote
    ).fetchall()
    assert [row[0] for row in rows] == ["tips retry", "tips retry", "prune"]
    assert rows[-1] == ("prune", "spring", sum(GONE.values()), "4")


def test_prune_goes_on_when_there_is_more_than_a_batch(
    noggin: Command, conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn.execute(FILL)
    monkeypatch.setattr(pruning, "BATCH", 2)

    assert noggin("prune", "--yes", "--json").json["pruned"]["errors"] == 4


def test_prune_removes_partial_files_that_nobody_writes(
    noggin: Command, conn: session.Connection
) -> None:
    folder = noggin.folder / "output" / "2025"
    folder.mkdir(parents=True)
    (noggin.folder / "log").mkdir()
    (token,) = conn.execute(
        "INSERT INTO lease (host, slot, instance, boot, lease_until, tips, gens, prios)"
        " VALUES ('h', 0, gen_random_uuid(), 1, now() + interval '1 hour', '{}', '{}', '{}')"
        " RETURNING token"
    ).fetchone() or (0,)
    stale, held = folder / ".a.jpg.dead.tmp", folder / f".b.jpg.{token}.tmp"
    fresh, photo = folder / ".c.jpg.dead.tmp", folder / "photo.jpg"
    session_log = noggin.folder / "log" / "session_20250101_000000.log"
    for file in (stale, held, fresh, photo, session_log):
        file.touch()
    for file in (stale, held, photo, session_log):
        os.utime(file, (time.time() - 100 * 86_400,) * 2)

    dry = noggin("prune", "--dry-run", "--json").json["pruned"]
    assert (stale.exists(), session_log.exists()) == (True, True)
    told = noggin("prune", "--yes", "--json").json["pruned"]
    assert (told["partial_files"], told["session_logs"]) == (1, 1)
    assert told == dry
    there = [file.exists() for file in (stale, held, fresh, photo, session_log)]
    assert there == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "prune would delete what is older than"),
        (["--older-than", "1h", "--yes"], "younger than a day"),
        (["--older-than", "soon", "--yes"], "neither an age"),
    ],
)
def test_prune_refuses_what_it_should_not_do(noggin: Command, words: list[str], told: str) -> None:
    done = noggin("prune", *words)

    assert done.code == 2
    assert told in done.err
