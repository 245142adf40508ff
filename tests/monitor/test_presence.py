"""A host's presence on a real database: its beats, its requests, its name, and its end."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.domain import errors
from noggin_mp.monitor import presence
from noggin_mp.store import fleet, requests, session
from tests.support import postgres
from tests.support.wait import until


class Monitor:
    """The presence of one monitor process, in a thread; `told` is what its supervisor heard."""

    def __init__(self, dsn: str, *, host: str, lone: bool, age_s: float) -> None:
        self.told: list[dict[str, Any]] = []
        self.failure: Exception | None = None
        self._stop = threading.Event()
        who = requests.Identity(
            host=host, instance=str(uuid.uuid4()), version="1.2", output=f"/out/{host}"
        )
        self.made = presence.Presence(
            connect=lambda name: session.connect(
                dsn, schema=postgres.SCHEMA, application_name=f"{host} {name}"
            ),
            who=who,
            facts=lambda: {"phase": "running", "wanted": 4, "slots": {"parked": 1}},
            age_s=lambda: age_s,
            tell=None if lone else self._tell,
            stopping=self._stop.is_set,
            wait=self._stop.wait,
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.made.run()
        except errors.NogginError as error:
            self.failure = error

    def _tell(self, event: str, fields: Mapping[str, object]) -> None:
        self.told.append({"event": event, **fields})

    def end(self) -> None:
        """As TERM ends it."""
        self._stop.set()
        self.made.close()
        self._thread.join(60)
        assert not self._thread.is_alive()


Start = Callable[..., Monitor]


@pytest.fixture
def start(migrated: str) -> Iterator[Start]:
    """Starts a monitor of host `a` whose supervisor is an hour old, unless told otherwise."""
    made: list[Monitor] = []

    def one(host: str = "a", *, lone: bool = False, age_s: float = 3600) -> Monitor:
        made.append(Monitor(migrated, host=host, lone=lone, age_s=age_s))
        return made[-1]

    yield one
    for monitor in made:
        monitor.end()


def ask(conn: session.Connection, verb: str = "reload", **more: Any) -> int:
    until(lambda: fleet.states(conn), what="the host signs in")
    given = {"host": "a", "who": "ann@desk", "reason": "why", "seconds": 60, **more}
    return requests.ask(conn, verb=verb, **given)


def answered(conn: session.Connection, number: int) -> Any:
    def look() -> Any:
        found = requests.answers(conn, [number])
        return found and found[0]["at"] and (found[0]["ok"], found[0]["detail"])

    return until(look, what=f"an answer to {number}")


def test_request_reaches_the_supervisor_and_its_answer_the_table(
    start: Start, conn: session.Connection
) -> None:
    monitor = start()
    number = ask(conn, "scale", workers=6)
    [told] = until(lambda: monitor.told)
    until_s = told.pop("until") - time.clock_gettime(time.CLOCK_BOOTTIME)
    assert 0 < until_s <= 60
    assert told == {
        "event": "request", "id": number, "verb": "scale", "n": 6, "who": "ann@desk",
        "reason": "why",
    }  # fmt: skip
    monitor.made.heard({"id": number, "ok": True, "detail": {"workers": 6}})
    assert answered(conn, number) == (True, {"workers": 6})
    assert len(monitor.told) == 1


def test_request_is_taken_without_its_notice(start: Start, conn: session.Connection) -> None:
    monitor = start()
    until(lambda: fleet.states(conn))
    conn.execute("ALTER TABLE fleet_requests DISABLE TRIGGER USER")
    number = ask(conn)
    assert until(lambda: monitor.told)[0]["id"] == number


def test_restarted_monitor_asks_again_only_for_what_has_no_answer(
    start: Start, conn: session.Connection
) -> None:
    first = start()
    numbers = [ask(conn), ask(conn)]
    until(lambda: len(first.told) == 2)
    first.made.heard({"id": numbers[0], "ok": True, "detail": {}})
    answered(conn, numbers[0])
    first.end()
    second = start()
    until(lambda: second.told)
    last = ask(conn)
    until(lambda: len(second.told) == 2)
    assert [one["id"] for one in second.told] == [numbers[1], last]


def test_answer_given_at_the_very_end_is_written_before_the_host_signs_off(
    start: Start, conn: session.Connection
) -> None:
    monitor = start()
    number = ask(conn, "drain")
    until(lambda: monitor.told)
    monitor.made.heard({"id": number, "ok": True, "detail": {"state": "draining"}})
    monitor.end()
    assert answered(conn, number) == (True, {"state": "draining"})
    assert fleet.states(conn)["a"][0] == "stopped"


def test_monitor_without_a_supervisor_says_that_it_can_do_nothing(
    start: Start, conn: session.Connection
) -> None:
    start(lone=True)
    ok, detail = answered(conn, ask(conn, "drain"))
    assert (ok, "without a supervisor" in detail["error"]) == (False, True)


@pytest.mark.parametrize(("verb", "ok"), [("drain", False), ("scale", False), ("reload", True)])
def test_request_older_than_the_supervisor_is_not_obeyed(
    start: Start, conn: session.Connection, verb: str, ok: bool
) -> None:
    monitor = start(age_s=1)
    until(lambda: fleet.states(conn))
    conn.execute("ALTER TABLE fleet_requests ALTER created_at SET DEFAULT now() - interval '9 s'")
    number = ask(conn, verb, workers=3)
    assert answered(conn, number)[0] is ok
    assert monitor.told == []


def test_host_shows_what_its_supervisor_says_and_signs_off(
    start: Start, conn: session.Connection
) -> None:
    monitor = start()
    until(lambda: fleet.states(conn))
    query = "SELECT state, wanted, parked, version, output FROM fleet_overview"
    assert conn.execute(query).fetchall() == [("up", 4, 1, "1.2", "/out/a")]
    monitor.end()
    assert conn.execute(query).fetchall() == [("stopped", 4, 1, "1.2", "/out/a")]


def test_second_monitor_under_a_name_that_beats_is_refused(
    start: Start, conn: session.Connection
) -> None:
    first = start()
    until(lambda: fleet.states(conn))
    second = start()
    until(lambda: second.failure, timeout_s=60)
    assert isinstance(second.failure, errors.AlreadyRunning)
    assert "another monitor is at work under the host name 'a'" in str(second.failure)
    number = ask(conn)
    until(lambda: first.told)
    assert (second.told, first.told[0]["id"]) == ([], number)


def test_lingering_session_of_a_dead_monitor_is_waited_for(
    start: Start, conn: session.Connection
) -> None:
    assert fleet.claim_host(conn, host="a")
    monitor = start()
    sessions = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'a presence' AND datname = current_database()"
    )
    until(lambda: (conn.execute(sessions).fetchone() or (0,))[0])
    assert fleet.states(conn) == {}
    conn.execute("SELECT pg_advisory_unlock_all()")
    until(lambda: fleet.states(conn))
    assert monitor.failure is None


def test_presence_comes_back_when_its_session_was_ended(
    start: Start, conn: session.Connection
) -> None:
    monitor = start()
    until(lambda: fleet.states(conn))
    conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'a presence' AND datname = current_database()"
    )
    number = ask(conn)
    assert until(lambda: monitor.told)[0]["id"] == number


def test_facts_are_those_of_our_own_supervisor(tmp_path: Path) -> None:
    said = {
        "pid": 7, "state": "running", "config_error": None, "config_version": 3,
        "slots": [{"slot": 0, "state": "running"}, {"slot": 1, "state": "parked"}],
    }  # fmt: skip
    assert presence.supervisor_facts(tmp_path, 7) == {}
    (tmp_path / "supervisor.json").write_text(json.dumps(said))
    assert presence.supervisor_facts(tmp_path, 8) == {}
    assert presence.supervisor_facts(tmp_path, 7) == {
        "phase": "running", "wanted": 2, "slots": {"running": 1, "parked": 1}, "config_version": 3,
    }  # fmt: skip
    (tmp_path / "supervisor.json").write_text('{"pid": 7, "sl')
    assert presence.supervisor_facts(tmp_path, 7) == {}
