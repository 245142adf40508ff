"""TIPs as operators handle them: every state can be asked for, a change never hits a moved row."""

import pytest

from noggin_mp.store import session, tips
from tests.support.tips import tip


@pytest.fixture
def fleet(conn: session.Connection) -> session.Connection:
    """One TIP in each situation."""
    conn.execute(
        "INSERT INTO noggin_data (tip, object_type, object_code, processing_status,"
        " permanently_failed, next_retry_at, last_error_message) VALUES"
        " ('imported', 'Load', 'LCD', 'pending', false, NULL, NULL),"
        " ('waiting', 'Load', 'LCD', 'failed', false, now() + interval '1 hour', 'HTTP_503 busy'),"
        " ('dead', 'Site', 'SO', 'failed', true, NULL, 'http_500'),"
        " ('done', 'Site', 'SO', 'complete', false, NULL, NULL),"
        " ('held', 'Load', 'LCD', 'pending', false, NULL, NULL)"
    )
    conn.execute("DELETE FROM ready WHERE tip = 'held'")
    conn.execute(
        "INSERT INTO lease (host, slot, instance, boot, lease_until, tips, gens, prios)"
        " SELECT 'h', 3, gen_random_uuid(), 1, now() + interval '1 minute', ARRAY[tip], ARRAY[gen],"
        " ARRAY[5] FROM noggin_data WHERE tip = 'held'"
    )
    return conn


def found(connection: session.Connection, **wanted: object) -> set[str]:
    return {one.tip for one in tips.match(connection, tips.Filter(**wanted))}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, {"imported", "waiting", "dead", "done", "held"}),
        ({"state": "pending"}, {"imported", "held"}),
        ({"state": "failed"}, {"waiting", "dead"}),
        ({"state": "ready"}, {"imported"}),
        ({"state": "later"}, {"waiting"}),
        ({"state": "leased"}, {"held"}),
        ({"state": "dead"}, {"dead"}),
        ({"error": "http_5"}, {"waiting", "dead"}),
        ({"state": "later", "error": "busy"}, {"waiting"}),
        ({"types": ["so"]}, {"dead", "done"}),
        ({"types": ["site"], "state": "complete"}, {"done"}),
        ({"state": "ready", "types": ["so"]}, set()),
    ],
)
def test_match_finds_what_fits(
    fleet: session.Connection, wanted: dict[str, object], expected: set[str]
) -> None:
    assert found(fleet, **wanted) == expected


def test_match_leaves_stale_entries_out(fleet: session.Connection) -> None:
    fleet.execute("UPDATE noggin_data SET processing_status = 'skipped'")

    assert [found(fleet, state=state) for state in tips.IN_QUEUE] == [set()] * 3


def test_rows_tell_where_each_tip_is(fleet: session.Connection) -> None:
    rows = tips.rows(fleet, ["held", "done", "waiting", "nobody", "imported"])

    assert [(row["tip"], row["queue"], row["worker"]) for row in rows] == [
        ("held", "leased", "h/3"), ("done", None, None), ("waiting", "later", None),
        ("imported", "ready", None),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["waiting", "dead", "done"])
def test_retry_makes_a_tip_ready_whatever_it_was(fleet: session.Connection, name: str) -> None:
    assert tips.retry(fleet, [tips.Match(tip=name)]) == 1

    assert [(one["state"], one["prio"]) for one in tips.entries(fleet, name)] == [("ready", 0)]
    record = tips.record(fleet, name, payload=False)
    assert record is not None
    assert (record["processing_status"], record["permanently_failed"]) == ("pending", False)


def test_retry_leaves_a_tip_alone_when_it_moved_since_it_was_found(
    fleet: session.Connection,
) -> None:
    matches = tips.match(fleet, tips.Filter(state="later"))
    fleet.execute("UPDATE noggin_data SET processing_status = 'complete' WHERE tip = 'waiting'")

    assert tips.retry(fleet, matches) == 0


def test_skip_takes_tips_out_and_leaves_finished_ones(fleet: session.Connection) -> None:
    wanted = [tips.Match(tip=name) for name in ("imported", "dead", "done", "held")]

    assert tips.skip(fleet, wanted) == 3

    assert found(fleet, state="skipped") == {"imported", "dead", "held"}
    assert [found(fleet, state=state) for state in ("ready", "leased", "dead")] == [set()] * 3


def test_record_is_none_when_there_is_no_such_tip(conn: session.Connection) -> None:
    assert tips.record(conn, tip(1), payload=True) is None


def test_record_has_the_payload_only_when_asked_for(conn: session.Connection) -> None:
    conn.execute("INSERT INTO noggin_data (tip, payload) VALUES ('t', '{\"a\": null}')")

    with_payload, without = (tips.record(conn, "t", payload=asked) for asked in (True, False))
    assert with_payload is not None
    assert without is not None
    assert with_payload["payload"] == {"a": None}
    assert "payload" not in without
