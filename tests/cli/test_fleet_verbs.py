"""`fleet status|drain|scale|reload` against hosts that sign in, answer, refuse or say nothing."""

import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.cli import fleet_requests
from noggin_mp.store import fleet, queue, requests, session
from tests.support import postgres
from tests.support.command import Command
from tests.support.wait import until

Answer = Callable[[requests.Request], tuple[bool, Mapping[str, Any]] | None]


class Host:
    """One host's side of the protocol, in a thread: it beats and answers as it is told."""

    def __init__(self, dsn: str, name: str, answer: Answer) -> None:
        self._dsn = dsn
        self._answer = answer
        self.stop = threading.Event()
        self.workers = 2
        self.who = requests.Identity(
            host=name, instance=str(uuid.uuid4()), version="1.2", output="/o"
        )
        self._thread = threading.Thread(target=self._run)
        self.beat()
        self._thread.start()

    def beat(self) -> None:
        with self._connected() as connection:
            self._turn(connection)

    def end(self) -> None:
        self.stop.set()
        self._thread.join(120)

    def _connected(self) -> session.Connection:
        return session.connect(self._dsn, schema=postgres.SCHEMA, application_name="host")

    def _run(self) -> None:
        with self._connected() as connection:
            while not self.stop.wait(0.05):
                self._turn(connection)

    def _turn(self, connection: session.Connection) -> None:
        facts = {"phase": "running", "wanted": self.workers}
        for request in requests.present(connection, self.who, facts=facts, age_s=3600):
            answer = self._answer(request)
            if answer is not None:
                self._obey(connection, request)
                ok, detail = answer
                requests.answer(
                    connection, request=request.id, host=self.who.host, ok=ok, detail=detail
                )
        for slot in range(self.workers):
            fleet.register(connection, holder=self._holder(slot), pid=1, version="1.2")

    def _obey(self, connection: session.Connection, request: requests.Request) -> None:
        if request.verb == "scale":
            self.workers = request.args["workers"]
        if request.verb == "drain":
            for slot in range(self.workers):
                fleet.sign_off(connection, holder=self._holder(slot))
            fleet.sign_off_host(connection, host=self.who.host, instance=self.who.instance)
            self.workers = 0
            self.stop.set()

    def _holder(self, slot: int) -> queue.Holder:
        return queue.Holder(host=self.who.host, slot=slot, instance=self.who.instance, boot=1)


Sign = Callable[..., Host]


@pytest.fixture
def sign_in(migrated: str) -> Iterator[Sign]:
    """Makes a host that says yes to everything, or what it is told to say."""
    made: list[Host] = []

    def one(name: str, answer: Answer = lambda request: (True, {})) -> Host:
        made.append(Host(migrated, name, answer))
        return made[-1]

    yield one
    for host in made:
        host.end()


@pytest.fixture
def noggin(tmp_path: Path, migrated: str) -> Command:
    return Command(tmp_path, migrated, fleet={"host": "desk"})


def outcomes(found: Any) -> dict[str, tuple[str, bool]]:
    return {one["host"]: (one["outcome"], one["ok"]) for one in found.json["hosts"]}


def states(noggin: Command) -> dict[str, str]:
    return {one["host"]: one["state"] for one in noggin("fleet", "status", "--json").json["hosts"]}


def test_drain_waits_until_the_host_has_ended(
    noggin: Command, sign_in: Sign, conn: session.Connection
) -> None:
    sign_in("a"), sign_in("b")
    found = noggin("fleet", "drain", "--host", "b", "--reason", "new disk", "--json")
    assert (found.code, outcomes(found)) == (0, {"b": ("drained", True)})
    row = conn.execute("SELECT who LIKE '%@desk', action, target, reason FROM audit_log").fetchone()
    assert row == (True, "fleet drain", "b", "new disk")
    until(lambda: states(noggin) == {"a": "up", "b": "stopped"}, timeout_s=60)
    again = noggin("fleet", "drain", "--host", "b", "--reason", "x")
    assert (again.code, "host 'b' is stopped: nothing runs there" in again.err) == (3, True)


def test_scale_waits_until_so_many_workers_are_up(noggin: Command, sign_in: Sign) -> None:
    sign_in("a")
    found = noggin("fleet", "scale", "5")  # of the only host there is
    assert found.code == 0, found
    assert "a     scaled   5 of 5 workers are up" in found.out


def test_scale_that_was_overtaken_ends_at_once_and_names_by_whom(
    noggin: Command, sign_in: Sign
) -> None:
    error = "overtaken by request 18 for 3 workers by bob@desk"
    said = {"result": "overtaken", "error": error, "overtaken_by": 18}
    sign_in("a", lambda request: (False, said))
    found = noggin("fleet", "scale", "5", "--timeout", "10m", "--json")
    assert (found.code, outcomes(found)) == (1, {"a": ("overtaken", False)})
    assert found.json["hosts"][0]["detail"] == error


def test_scale_is_open_while_workers_come_and_over_whatever_happens_then() -> None:
    wish = fleet_requests.Wish(verb="scale", reason="", workers=5)
    row = {"state": "up", "workers": 3}
    taken = fleet_requests.judged(wish, row, {"at": None, "detail": None}, "a")
    assert (taken.ok, taken.outcome, taken.detail) == (None, "scaling", "3 of 5 workers are up")
    met = {"at": "now", "ok": True, "detail": {"workers": 5}}
    done = fleet_requests.judged(wish, row, met, "a")  # somebody has asked for fewer since
    assert (done.ok, done.outcome, done.detail) == (True, "scaled", "5 of 5 workers are up")


def test_reload_of_all_tells_each_hosts_own_outcome(noggin: Command, sign_in: Sign) -> None:
    error = "noggin.yaml:3: fleet.workers: must be a whole number"
    sign_in("a", lambda request: (True, {"result": "applied", "version": 4}))
    sign_in("b", lambda request: (False, {"result": "invalid", "error": error}))
    found = noggin("fleet", "reload", "--all", "--json")
    assert (found.code, found.json["done"]) == (1, False)
    assert outcomes(found) == {"a": ("applied", True), "b": ("invalid", False)}
    details = {one["host"]: one["detail"] for one in found.json["hosts"]}
    assert details == {"a": "configuration 4", "b": error}


def test_host_that_says_nothing_is_told_as_silent_and_never_obeys_later(
    noggin: Command, sign_in: Sign, conn: session.Connection
) -> None:
    sign_in("a")
    quiet = sign_in("b")
    quiet.end()
    conn.execute(
        "UPDATE fleet_hosts SET heartbeat_at = heartbeat_at - interval '42 s' WHERE host = 'b';"
        "UPDATE fleet_workers SET heartbeat_at = heartbeat_at - interval '42 s' WHERE host = 'b'"
    )
    found = noggin("fleet", "drain", "--all", "--reason", "end", "--json")
    assert (found.code, outcomes(found)) == (1, {"a": ("drained", True), "b": ("silent", False)})
    [detail] = [one["detail"] for one in found.json["hosts"] if one["host"] == "b"]
    silence = re.fullmatch(r"not heard of for (\d+) s; it will not obey later", detail)
    assert silence
    assert 42 <= int(silence[1]) < 300

    def back() -> bool:
        quiet.beat()
        return states(noggin) == {"a": "stopped", "b": "up"}

    until(back, timeout_s=60)
    assert conn.execute("SELECT count(*) FROM fleet_answers WHERE host = 'b'").fetchone() == (0,)


def test_reload_that_was_refused_is_told_only_while_the_host_is_there(
    noggin: Command, sign_in: Sign, conn: session.Connection
) -> None:
    told = "a: its last reload was refused: noggin.yaml:3"
    host = sign_in("a")
    host.end()

    def shown() -> bool:
        facts = {"config_error": "noggin.yaml:3: no"}
        requests.present(conn, host.who, facts=facts, age_s=3600)
        return told in noggin("fleet", "status").out

    until(shown, timeout_s=60)
    for slot in range(host.workers):
        fleet.sign_off(conn, holder=queue.Holder(
            host="a", slot=slot, instance=host.who.instance, boot=1))  # fmt: skip
    fleet.sign_off_host(conn, host="a", instance=host.who.instance)
    assert told not in noggin("fleet", "status").out


def test_request_nobody_waits_for_is_shown_by_status(noggin: Command, sign_in: Sign) -> None:
    sign_in("a", lambda request: None)
    sign_in("b")
    asked = noggin("fleet", "reload", "--all", "--no-wait", "--reason", "rates", "--json")
    assert (asked.code, asked.json["asked"]) == (0, ["a", "b"])
    [waiting] = noggin("fleet", "status", "--json").json["requests"]
    assert (waiting["id"], waiting["reason"]) == (asked.json["requests"][0], "rates")
    text = noggin("fleet", "status").out
    assert "rates" in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("drain", "--host", "a"), 2, "--reason"),
        (("drain", "--reason", "x"), 2, "2 hosts are up; give --all, or --host: a, b"),
        (("drain", "--all", "--host", "a", "--reason", "x"), 2, "exclude one another"),
        (("drain", "--host", "c", "--reason", "x"), 3, "no host called 'c'"),
        (("scale", "0", "--all"), 2, "0 is not in the range"),
        (("scale", "many", "--all"), 2, "many"),
        (("reload", "--all", "--timeout", "never"), 2, "no length of time"),
    ],
)
def test_verbs_refuse_what_makes_no_sense(
    noggin: Command, sign_in: Sign, words: tuple[str, ...], code: int, says: str
) -> None:
    sign_in("a"), sign_in("b")
    found = noggin("fleet", *words)
    assert (found.code, says in found.err) == (code, True), found.err


def test_verbs_say_so_when_no_host_is_up(noggin: Command) -> None:
    found = noggin("fleet", "reload", "--all", "--json")
    assert (found.code, found.json["error"]["message"]) == (3, "no host is up")


def test_host_that_stops_meanwhile_was_drained_but_not_scaled() -> None:
    row = {"state": "stopped", "workers": 0}
    for verb, expected in (("drain", True), ("scale", False), ("reload", False)):
        wish = fleet_requests.Wish(verb=verb, reason="", workers=3)
        assert fleet_requests.judged(wish, row, None, "a").ok is expected
