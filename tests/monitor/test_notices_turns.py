"""Notices on a real database: each change told once, by whoever leads, until it got through."""

import threading
from collections.abc import Iterator

import pytest

from noggin_mp.gateway.outgoing import Delivery, Message
from noggin_mp.monitor import notices
from noggin_mp.monitor.channels import Channel
from noggin_mp.settings.notifying import Notify
from noggin_mp.store import session
from tests.support.notice_site import SCOPE, Site


@pytest.fixture
def site(migrated: str, conn: session.Connection) -> Iterator[Site]:
    """A fleet at rest, whose idle queue has been noted."""
    made = Site(migrated, conn)
    made.monitor().turn(conn)
    assert made.told() == []
    yield made


BOTH_STOPPED = [("email", f"auth_stop {SCOPE}"), ("slack", f"auth_stop {SCOPE}")]


def test_a_change_is_told_once_on_each_channel_and_a_new_leader_repeats_nothing(site: Site) -> None:
    site.stop()
    site.monitor("a").turn(site.conn)
    assert site.told() == BOTH_STOPPED

    site.monitor("a").turn(site.conn)
    site.later()
    site.monitor("b").turn(site.conn)
    assert site.told() == []

    site.go_on()
    site.monitor("b").turn(site.conn)
    assert site.told() == [
        ("email", f"over: auth_stop {SCOPE}"),
        ("slack", f"over: auth_stop {SCOPE}"),
    ]


def test_what_flaps_is_told_about_once_in_a_cool_down(site: Site) -> None:
    site.stop()
    site.monitor().turn(site.conn)
    assert site.told() == BOTH_STOPPED
    for _ in range(3):
        site.go_on()
        site.monitor().turn(site.conn)
        site.stop()
        site.monitor().turn(site.conn)
    assert site.told() == []

    site.go_on()
    site.later()
    site.monitor().turn(site.conn)
    assert [subject for _, subject in site.told()] == [f"over: auth_stop {SCOPE}"] * 2


def test_dead_letters_are_told_when_they_grow(site: Site) -> None:
    site.names = ["email"]
    site.bury(2)
    site.monitor().turn(site.conn)
    site.bury(1)
    site.monitor().turn(site.conn)
    assert site.told() == [("email", "dead_letters")]

    site.later()
    site.monitor().turn(site.conn)
    assert site.told() == [("email", "dead_letters")]
    assert site.conn.execute(
        "SELECT level, message FROM notices WHERE kind = 'dead_letters' ORDER BY notice_id"
    ).fetchall() == [
        (2, "2 TIPs are permanently failed; see noggin-mp dead list"),
        (3, "3 TIPs are permanently failed; see noggin-mp dead list"),
    ]


def test_a_queue_that_runs_empty_is_told_and_one_that_was_empty_is_not(site: Site) -> None:
    site.names = ["email"]
    site.conn.execute("INSERT INTO noggin_data (tip) VALUES ('x')")
    site.monitor().turn(site.conn)
    assert site.told() == []

    site.conn.execute("UPDATE noggin_data SET processing_status = 'complete'")
    site.monitor().turn(site.conn)
    assert site.told() == [("email", "drained")]


def test_a_fleet_that_ends_because_the_queue_is_empty_says_so_before(site: Site) -> None:
    site.names = ["email"]
    site.conn.execute("INSERT INTO noggin_data (tip) VALUES ('x')")
    site.stop()
    monitor = site.monitor()
    monitor.turn(site.conn)
    assert site.told() == [("email", f"auth_stop {SCOPE}")]

    site.conn.execute("UPDATE noggin_data SET processing_status = 'complete'")
    monitor.last_words()
    assert site.told() == [("email", "drained")]  # and nothing of what it has not looked at
    site.monitor("b").last_words()
    site.monitor(leading=lambda: False).last_words()
    assert site.told() == []


def test_hosts_are_told_as_down_when_they_did_not_sign_off(site: Site) -> None:
    site.names = ["email"]
    site.conn.execute(
        "INSERT INTO fleet_hosts (host, instance, heartbeat_at, stopped_at) VALUES"
        " ('b', gen_random_uuid(), now() - interval '2 min', NULL),"
        " ('c', gen_random_uuid(), now() - interval '2 min', now() - interval '2 min')"
    )
    site.monitor().turn(site.conn)
    assert site.told() == [("email", "down b")]


def test_only_what_is_asked_for_is_told(site: Site) -> None:
    site.notify = Notify.model_validate({"on": ["drained"]})
    site.stop()
    site.bury(1)
    site.monitor().turn(site.conn)
    assert site.told() == []


def test_a_channel_that_fails_is_tried_again_alone(site: Site) -> None:
    site.broken = {"slack"}
    site.stop()
    site.monitor().turn(site.conn)
    assert site.told() == BOTH_STOPPED[:1]
    site.monitor().turn(site.conn)
    assert site.told() == []  # not at once again

    site.broken = set()
    site.later(2)
    site.monitor("b").turn(site.conn)
    assert site.told() == BOTH_STOPPED[1:]
    site.later()
    site.monitor().turn(site.conn)
    assert site.told() == []
    assert site.conn.execute(
        "SELECT attempts, waiting_for, error, sent_at IS NOT NULL FROM notices WHERE NOT silent"
    ).fetchall() == [(2, [], None, True)]


def test_a_notice_that_never_gets_through_is_given_up(site: Site) -> None:
    site.broken = {"email", "slack"}
    site.stop()
    for _ in range(notices.MOST_ATTEMPTS + 3):
        site.monitor().turn(site.conn)
        site.later(61)
    assert site.conn.execute(
        "SELECT attempts, waiting_for, error, sent_at FROM notices WHERE NOT silent"
    ).fetchall() == [(notices.MOST_ATTEMPTS, [], "email: it is broken; slack: it is broken", None)]


def test_a_sender_that_died_is_replaced(site: Site) -> None:
    class Death(BaseException):
        pass

    def die(message: Message) -> Delivery:
        raise Death

    site.stop()
    dying = [Channel(name="email", where="", send=die)]
    with pytest.raises(Death):
        site.monitor("a", ways=lambda notify: dying).turn(site.conn)
    site.monitor("b").turn(site.conn)
    assert site.told() == []  # it may still be at it

    site.later(3)
    site.monitor("b").turn(site.conn)
    assert site.told() == BOTH_STOPPED[:1]


def test_two_that_believe_they_lead_tell_it_once(site: Site) -> None:
    site.stop()
    ready = threading.Barrier(4)

    def turn(host: str) -> None:
        with site.connect() as connection:
            one = site.monitor(host)
            ready.wait(60)
            one.turn(connection)

    threads = [threading.Thread(target=turn, args=(host,)) for host in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(site.told()) == BOTH_STOPPED


def test_run_does_nothing_unless_it_leads_and_is_asked(site: Site) -> None:
    site.stop()
    turns = iter([False, False, False, True])
    site.monitor(leading=lambda: False, stopping=lambda: next(turns)).run()
    turns = iter([False, False, False, True])
    site.notify = Notify.model_validate({})
    site.monitor(stopping=lambda: next(turns)).run()
    assert site.told() == []


def test_run_outlives_a_lost_database_and_ends_with_a_fault_of_ours(site: Site) -> None:
    """What goes wrong here must not take the monitor, which reaps and promotes, with it."""
    site.stop()
    tries = []

    def connect(name: str) -> session.Connection:
        tries.append(name)
        if len(tries) == 1:
            return session.connect("host=/nowhere", schema="s", application_name="x")
        if len(tries) == 2:
            return site.connect()
        raise ZeroDivisionError

    def wait(seconds: float) -> bool:
        if site.got:
            site.conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'notices' AND datname = current_database()"
            )
        return False

    site.monitor(connect=connect, wait=wait).run()
    assert (site.told(), len(tries)) == (BOTH_STOPPED, 3)


def test_a_sample_from_before_it_led_is_not_believed(site: Site) -> None:
    """An idle monitor samples rarely: its last look may be older than its predecessor's."""
    site.stop()
    site.taken_ago_s = 3600.0
    turns = iter([False] * 5)
    site.monitor(stopping=lambda: next(turns, True)).run()
    assert site.told() == []

    site.taken_ago_s = 0.0
    turns = iter([False] * 5)
    site.monitor(stopping=lambda: next(turns, True)).run()
    assert site.told() == BOTH_STOPPED


def test_old_notices_go_but_the_latest_of_each_subject_stays(site: Site) -> None:
    site.conn.execute(
        "INSERT INTO notices (kind, subject, level, message, host, created_at) VALUES"
        " ('down', 'b', 1, 'old', 'a', now() - interval '200 days'),"
        " ('down', 'b', 0, 'latest', 'a', now() - interval '190 days'),"
        " ('down', 'c', 1, 'young', 'a', now()), ('down', 'c', 0, 'latest', 'a', now())"
    )
    site.monitor(leading=lambda: True).turn(site.conn)
    kept = site.conn.execute("SELECT subject, message FROM notices WHERE kind = 'down'").fetchall()
    assert sorted(kept) == [("b", "latest"), ("c", "latest"), ("c", "young")]
