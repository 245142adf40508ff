"""What a report counts, on real rows: each at its time, in its part, and only once."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from psycopg.types.json import Jsonb

from noggin_mp.domain import periods, report
from noggin_mp.store import reporting, session

PERTH = ZoneInfo("Australia/Perth")
DAY = periods.period(date(2025, 10, 23), date(2025, 10, 23), PERTH)
START, END = DAY.start, DAY.end
NOW = datetime(2025, 11, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def counted(conn: session.Connection, day: periods.Period = DAY) -> report.Numbers:
    """The numbers of a day."""
    return reporting.numbers(conn, day, now=NOW, disk=(30, 100))


def built(conn: session.Connection, day: periods.Period = DAY) -> report.Report:
    """The report of a day."""
    numbers = counted(conn, day)
    return report.build(numbers, day, title="t", zone="z", host="h", made_at=NOW)


def settled(
    conn: session.Connection, tip: str, status: str, at: datetime, *, dead: bool = False,
    changed: datetime | None = None,
) -> None:  # fmt: skip
    """A row that a worker settled at `at`, and that somebody changed again at `changed`."""
    conn.execute(
        "INSERT INTO noggin_data (tip, object_code, processing_status, permanently_failed,"
        " last_retry_at, updated_at) VALUES (%s, 'LCD', %s, %s, %s, %s)",
        (tip, status, dead, at, changed or at),
    )


def test_an_empty_database_gives_a_report_of_zeros(conn: session.Connection) -> None:
    made = built(conn)

    assert (made.finished, made.files, made.types, made.requests) == (0, 0, {}, {})
    assert [part.finished for part in made.parts] == [0] * 24
    assert made.numbers.error_groups == made.numbers.stops == made.numbers.imports == []
    assert made.numbers.now.queue == {"ready": 0, "later": 0, "leased": 0}
    assert (made.numbers.now.eta_s, made.numbers.now.free_bytes) == (0.0, 30)
    assert list(made.notes) == []


def test_a_day_begins_and_ends_at_local_midnight(conn: session.Connection) -> None:
    for tip, at in {
        "before": START - MOMENT, "first": START, "last": END - MOMENT, "after": END,
    }.items():  # fmt: skip
        settled(conn, tip, "complete", at)

    made = built(conn)

    assert made.finished == 2
    assert [part.label for part in made.parts if part.finished] == ["00:00", "23:00"]


def test_a_record_counts_when_it_was_settled_whatever_changed_later(
    conn: session.Connection,
) -> None:
    settled(conn, "archived later", "complete", START, changed=END + timedelta(days=9))
    settled(conn, "fetched long before", "not_found", START - timedelta(days=9), changed=START)
    conn.execute(
        "INSERT INTO noggin_data (tip, processing_status, last_retry_at, updated_at) VALUES"
        " ('skipped by hand', 'skipped', '2025-01-01', %(at)s),"
        " ('from the old system', 'complete', NULL, %(at)s),"
        " ('asked for again', 'pending', %(at)s, %(at)s),"
        " ('imported', 'pending', NULL, %(at)s)",
        {"at": START},
    )

    totals = built(conn).totals

    assert (totals["complete"], totals["skipped"], sum(totals.values())) == (2, 1, 3)


def test_records_are_told_by_type_and_outcome(conn: session.Connection) -> None:
    for number, (status, dead) in enumerate([
        ("complete", False), ("partial", False), ("partial", True), ("not_found", False),
        ("failed", False), ("api_failed", False), ("api_failed", True), ("interrupted", False),
    ]):  # fmt: skip
        settled(conn, f"t{number}", status, START, dead=dead)

    assert built(conn).types == {
        "LCD": {
            "complete": 1, "partial": 1, "not_found": 1, "retrying": 3, "dead": 2, "skipped": 0,
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "day", "label", "parts"),
    [
        ("Australia/Sydney", "2025-04-06", "02:00+10:00", 25),
        ("Australia/Sydney", "2025-10-05", "03:00", 23),
    ],
)
def test_hours_are_right_when_clocks_change(
    conn: session.Connection, zone: str, day: str, label: str, parts: int
) -> None:
    one = date.fromisoformat(day)
    period = periods.period(one, one, ZoneInfo(zone))
    settled(conn, "x", "complete", period.start + timedelta(hours=parts - 22, minutes=30))
    settled(conn, "last", "complete", period.end - MOMENT)

    made = built(conn, period)

    assert len(made.parts) == parts
    busy = [part.label for part in made.parts if part.finished]
    assert busy == [made.parts[parts - 22].label, "23:00"]
    assert label in [part.label for part in made.parts]


def test_attachments_count_when_they_were_completed(conn: session.Connection) -> None:
    conn.execute(
        "INSERT INTO attachments (record_tip, attachment_tip, attachment_sequence,"
        " attachment_status, file_size_bytes, download_duration_seconds, download_started_at,"
        " download_completed_at) VALUES"
        " ('r', 'over midnight', 1, 'complete', 100, 2.5, %(start)s - interval '1 h', %(start)s),"
        " ('r', 'at noon', 2, 'complete', 23, 0.5, %(noon)s, %(noon)s),"
        " ('r', 'failed', 3, 'failed', NULL, NULL, %(noon)s, %(noon)s),"
        " ('r', 'tomorrow', 4, 'complete', 7, 1, %(end)s, %(end)s)",
        {"start": START, "noon": START + timedelta(hours=12), "end": END},
    )

    made = built(conn)

    assert (made.files, made.size_bytes, made.download_s) == (2, 123, 3.0)
    assert [part.size_bytes for part in made.parts if part.files] == [100, 23]
    assert (made.numbers.now.attachments, made.numbers.now.attachment_bytes) == (3, 130)


def test_requests_are_told_by_role(conn: session.Connection) -> None:
    conn.execute(
        "INSERT INTO breaker_minutes (minute, scope, ok, failed, throttled, paused) VALUES"
        " (%(at)s, 'h:api', 10, 2, 0, 0), (%(at)s, 'h', 0, 0, 3, 1),"
        " (%(end)s, 'h:api', 9, 9, 9, 9)",
        {"at": START, "end": END},
    )

    made = built(conn)

    assert made.requests == {
        "any": {"ok": 0, "failed": 0, "throttled": 4},
        "api": {"ok": 10, "failed": 2, "throttled": 0},
    }
    assert (made.parts[0].requests, made.parts[0].failed_requests) == (16, 6)


def test_failures_are_grouped_by_kind_and_reason(conn: session.Connection) -> None:
    for tip, message, details, resolved, at in [
        ("a", "http_503: first", {"reason": "http_503"}, True, START),
        ("a", "http_503: second", {"reason": "http_503"}, True, END - MOMENT),
        ("b", "bad row 17", {}, False, START),
        ("c", "bad row 18", {}, False, START + MOMENT),
        ("d", "yesterday", {}, False, START - MOMENT),
    ]:
        conn.execute(
            "INSERT INTO processing_errors (tip, error_type, error_message, error_details,"
            " resolved, created_at) VALUES (%s, 'kind', %s, %s, %s, %s)",
            (tip, message, Jsonb(details), resolved, at),
        )

    found = counted(conn)

    assert (found.failures, found.failed_tips, found.recovered_tips) == (4, 3, 1)
    assert [
        (one["reason"], one["failures"], one["tips"], one["unresolved"], one["latest"])
        for one in found.error_groups
    ] == [("bad row #", 2, 2, 2, "bad row 18"), ("http_503", 2, 1, 0, "http_503: second")]


def test_stops_are_those_of_the_day(conn: session.Connection) -> None:
    conn.execute(
        "INSERT INTO breaker_events (ts, host, scope, event_type, new_state, details) VALUES"
        " (%(start)s - interval '1 h', 'h', 'h:api', 'trip', 'open', '{}'),"
        " (%(start)s + interval '5 min', 'h', 'h:api', 'close', 'closed', '{}'),"
        " (%(start)s + interval '6 min', 'h', 'h:api', 'would_trip', 'closed', '{}'),"
        " (%(start)s + interval '9 min', 'h', 'h', 'pause', 'paused', '{\"seconds\": 30}')",
        {"start": START},
    )
    conn.execute(
        "INSERT INTO audit_log (ts, who, action, details) VALUES"
        " (%(start)s, 'me', 'fleet pause', '{\"paused_s\": 60}')",
        {"start": START},
    )

    assert [(one.scope, str(one.kind), one.times, one.seconds) for one in counted(conn).stops] == [
        ("h:api", "open", 0, 300.0), ("fleet", "fleet_pause", 1, 60.0), ("h", "paused", 1, 30.0),
    ]  # fmt: skip


def test_a_real_pause_and_a_real_opening_are_told(conn: session.Connection) -> None:
    """Against what the functions of the migrations write, not what a test believes they do."""
    today = datetime.now(UTC).date()
    period = periods.period(today - timedelta(days=1), today, ZoneInfo("UTC"))
    conn.execute("SELECT breaker_pause('h', 'w', 40, 'tip', 'http_429')")
    conn.execute("SELECT breaker_force('h:api', 'open', 300, 'me', 'test')")
    conn.execute("SELECT fleet_pause(true, 60, 'me', 'night')")
    conn.execute("SELECT breaker_auth_stop('other', 'w', 9, 'f', 'tip', 'http_401')")

    later = datetime.now(UTC) + timedelta(hours=1)
    found = reporting.numbers(conn, period, now=later, disk=None).stops
    told = {(one.scope, str(one.kind)): (one.times, one.seconds) for one in found}

    assert told["h:api", "forced_open"] == (1, 300.0)
    assert told["h", "paused"] == (1, 40.0)
    assert told["fleet", "fleet_pause"] == (1, 60.0)
    assert told["other", "auth_stop"][0] == 1


def test_what_people_loaded_and_changed_is_listed(conn: session.Connection) -> None:
    conn.execute(
        "INSERT INTO sources (filename, sha256, started_at, rows_read, rows_rejected)"
        " VALUES ('a.csv', '', %(at)s, 9, 1), ('b.csv', '', %(end)s, 9, 1)",
        {"at": START, "end": END},
    )
    conn.execute(
        "INSERT INTO audit_log (ts, who, action, affected) VALUES (%(at)s, 'me', 'tips retry', 4),"
        " (%(end)s, 'me', 'tips skip', 4)",
        {"at": START, "end": END},
    )
    conn.execute(
        "INSERT INTO unknown_hashes (entity_type, hash_value, first_seen_at, resolved_at) VALUES"
        " ('vehicle', 'a', %(at)s, NULL), ('vehicle', 'b', %(end)s, NULL),"
        " ('team', 'c', %(at)s, now())",
        {"at": START, "end": END},
    )

    found = counted(conn)

    assert [one["filename"] for one in found.imports] == ["a.csv"]
    assert [one["action"] for one in found.acts] == ["tips retry"]
    assert found.new_unknown == {"team": 1, "vehicle": 1}
    assert found.now.unknown_hashes == {"vehicle": 2}


def test_forecast_follows_from_the_pace_of_the_last_hour(conn: session.Connection) -> None:
    now = datetime.now(UTC)
    for number in range(6):
        settled(conn, f"done{number}", "complete", now - timedelta(minutes=9 * number))
    settled(conn, "long ago", "complete", now - timedelta(hours=2))
    settled(conn, "to be tried again", "api_failed", now)
    conn.execute(
        "UPDATE noggin_data SET next_retry_at = now() + interval '1 h' WHERE tip LIKE 'to%'"
    )
    conn.execute("INSERT INTO noggin_data (tip) SELECT 'p' || i FROM generate_series(1, 3) AS i")

    found = counted(conn).now

    assert (found.finished_last_hour, found.queue["ready"], found.eta_s) == (6, 3, 1800.0)


def test_notes_tell_what_needs_a_person(conn: session.Connection) -> None:
    settled(conn, "dead", "api_failed", START, dead=True)
    conn.execute("INSERT INTO noggin_data (tip) VALUES ('due')")
    conn.execute("INSERT INTO failed_records (row_number, reason) VALUES (1, 'x')")
    conn.execute("SELECT breaker_force('h:api', 'open', 300, 'me', 'test')")
    conn.execute("SELECT fleet_pause(true, NULL, 'me', 'night')")
    numbers = reporting.numbers(conn, DAY, now=NOW, disk=(9, 100))
    made = report.build(numbers, DAY, title="t", zone="z", host="h", made_at=NOW)

    assert [note.partition(":")[0] for note in made.notes] == [
        "h", "the fleet is paused", "TIPs are due, but no worker is heard of", "1 dead letters",
        "1 rejected input rows", "the output disk is 91 % full",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("report_settled", "noggin_data"),
        ("report_files", "attachments"),
        ("report_requests", "breaker_minutes"),
        ("report_failures", "processing_errors"),
        ("report_error_groups", "processing_errors"),
    ],
)
def test_statements_can_use_an_index(conn: session.Connection, name: str, table: str) -> None:
    from noggin_mp.store import statements

    span = {"start": START, "end": END, "edges": list(DAY.edges), "limit": 5}
    with conn.transaction():
        conn.execute("SET LOCAL enable_seqscan = off")
        plan = conn.execute("EXPLAIN " + statements.statement(name), span).fetchall()

    assert f"Seq Scan on {table}" not in "\n".join(line for (line,) in plan)
