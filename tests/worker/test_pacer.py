"""Turns of one process: slots in time, places in flight, and nothing without the database."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures

import pytest

from noggin_mp.domain import breaker, outcome, pacing, places
from noggin_mp.store import breaker as breaker_store
from noggin_mp.store import pacing as store
from noggin_mp.store import session
from noggin_mp.worker import gate as gates
from noggin_mp.worker import pacer as pacers
from tests.support import postgres
from tests.support.wait import until

HOST = "api.example"
API, MEDIA = outcome.Role.API, outcome.Role.MEDIA
Make = Callable[..., pacers.Pacer]
pytestmark = pytest.mark.usefixtures("sighted")


@pytest.fixture
def pool(migrated: str) -> Iterator[session.Pool]:
    pool = session.open_pool(migrated, schema=postgres.SCHEMA, application_name="h/0")
    yield pool
    pool.close()


@pytest.fixture
def make(pool: session.Pool) -> Make:
    def build(
        rate: str = "",
        *,
        worker: str = "h/0",
        adaptive: bool = False,
        cap: int = 0,
        waited: Callable[[str, float], None] = lambda scope, seconds: None,
    ) -> pacers.Pacer:
        return pacers.Pacer(
            store=store.Store(pool, worker=worker, timeout_s=60.0),
            limits=limits(rate, adaptive=adaptive) if rate else {},
            caps=dict.fromkeys(outcome.Role, places.Cap(scope=HOST, limit=cap)) if cap else {},
            waited=waited,
        )

    return build


def limits(rate: str, *, adaptive: bool = False) -> dict[outcome.Role, pacing.Limit]:
    limit = pacing.Limit(scope=HOST, windows=pacing.parse(rate), adaptive=adaptive)
    return dict.fromkeys(outcome.Role, limit)


def take(pacer: pacers.Pacer, role: outcome.Role = API, *, give_up_s: float = 60.0) -> bool:
    return pacer.take(role, cancelled=lambda: False, give_up_s=give_up_s) is not None


def spend(pacer: pacers.Pacer) -> None:
    """Use up the one slot of an hour; asleep for too long we lose it, which is the same here."""
    if take(pacer, give_up_s=3.0):
        pacer.leave(API)


def calls(conn: session.Connection) -> int:
    row = conn.execute("SELECT count(*) FROM pacing_state").fetchone()
    assert row is not None
    return int(row[0])


def test_take_asks_nobody_when_there_is_no_limit(make: Make, conn: session.Connection) -> None:
    assert not pacers.Pacer().paced(API)
    assert take(pacers.Pacer())
    assert take(make())
    assert calls(conn) == 0


def test_take_spaces_requests_of_both_roles_and_all_threads_when_they_share_a_rate(
    make: Make,
) -> None:
    told: list[tuple[str, float]] = []
    pacer = make("20/s", waited=lambda scope, seconds: told.append((scope, seconds)))

    def turn(number: int) -> float:
        role = (API, MEDIA)[number % 2]
        use_by = pacer.take(role, cancelled=lambda: False, give_up_s=60.0)
        now = time.monotonic()
        assert use_by is not None
        slot = use_by - limits("20/s")[role].late_s
        assert slot <= now  # nobody goes before; how soon a thread then runs is not ours to say
        return slot

    for _ in range(3):  # from the quickest answer it knows how long the way is
        assert take(pacer)
    told.clear()
    with futures.ThreadPoolExecutor(8) as threads:
        slots = sorted(threads.map(turn, range(24)))
    assert slots[20] - slots[0] >= 1.0
    assert {scope for scope, _ in told} == {HOST}
    assert len(told) == 24


def test_take_gives_up_when_cancelled_or_out_of_time(make: Make) -> None:
    pacer = make("1/h")
    spend(pacer)
    assert not take(pacer, give_up_s=0.1)
    stop = threading.Event()
    with futures.ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pacer.take, API, cancelled=stop.is_set, give_up_s=1000)
        stop.set()
        pacer.wake()
        assert waiting.result(60) is None


def test_configure_takes_effect_at_the_next_chunk_when_a_limit_changes(make: Make) -> None:
    pacer = make("1/h")
    spend(pacer)
    assert not take(pacer, give_up_s=0.3)  # it knows now that the next one is an hour away
    pacer.configure(limits("100/s"))
    assert take(pacer)
    pacer.configure({})
    assert not pacer.paced(API)


def test_take_gives_nothing_when_the_database_is_gone(make: Make, pool: session.Pool) -> None:
    pacer = make("100/s", cap=4)
    assert take(pacer)
    pacer.leave(API)
    pool.close()
    assert not take(pacer, give_up_s=0.3)
    pacer.refresh()
    pacer.close()


def test_ended_slows_an_adaptive_rate_once_when_the_api_complains(
    make: Make, conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacing, "HOLD_S", 3600.0)  # the three complaints may be seconds apart
    steady, pacer = make("50/s"), make("50/s", adaptive=True)
    assert take(pacer)
    steady.ended(API, outcome.Kind.RATE_LIMITED)
    pacer.ended(API, outcome.Kind.NOT_FOUND)
    assert conn.execute("SELECT factor FROM pacing_state").fetchone() == (1.0,)
    for _ in range(3):
        pacer.ended(MEDIA, outcome.Kind.SERVER_ERROR)
    assert conn.execute("SELECT factor FROM pacing_state").fetchone() == (pacing.DECREASE,)


def test_take_shares_places_between_workers_when_each_wants_all(
    make: Make, conn: session.Connection
) -> None:
    first, second = make(cap=4, worker="h/0"), make(cap=4, worker="h/1")
    assert all(take(first) for _ in range(4))
    assert not take(second, give_up_s=0.1)
    first.leave(API)
    first.refresh()
    until(lambda: take(second, give_up_s=0.5) or first.refresh(), timeout_s=60)
    assert not take(first, give_up_s=0.1)  # its fair part is two, and it has three
    row = conn.execute("SELECT sum(held) FROM pacing_places").fetchone()
    assert row is not None
    assert row[0] <= 4


def test_close_gives_the_places_back_when_a_worker_ends(make: Make) -> None:
    first, second = make(cap=1, worker="h/0"), make(cap=1, worker="h/1")
    assert take(first)
    first.leave(API)
    assert not take(second, give_up_s=0.1)
    first.close()
    assert take(second)


class Bench:
    """A gate with a pacer, that beats when told."""

    def __init__(self, pool: session.Pool, pacer: pacers.Pacer) -> None:
        self.pool = pool
        self.gate = gates.Gate(
            store=breaker_store.Store(pool, worker="h/0"),
            worker="h/0",
            host=HOST,
            policy=dict.fromkeys(outcome.Role, breaker.Policy.of({"recovery_ramp_s": 0.0})),
            fingerprint=lambda: "token",
            pacer=pacer,
        )
        self.beat()

    def beat(self) -> None:
        row = {"state": "closed", "mode": "enforce", "remaining_s": 0, "paused_s": 0, "epoch": 0}
        self.gate.on_beat([{"scope": HOST, **row}])

    def acquire(self, give_up_s: float = 1.0) -> gates.Permit:
        return self.gate.acquire(API, cancelled=lambda: False, give_up_s=give_up_s)


def test_acquire_refuses_when_the_gate_closes_while_a_slot_is_waited_for(
    make: Make, pool: session.Pool, conn: session.Connection
) -> None:
    bench = Bench(pool, make("1/h"))
    spend(bench.gate.pacer)
    with futures.ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(bench.acquire)
        row = breaker_store.force(
            conn, scope=HOST, verb="open", who="me", reason="test", seconds=300
        )
        bench.gate.on_beat([row])
        with pytest.raises(gates.Refused) as caught:
            waiting.result(60)
    assert caught.value.reason == "closed"


def test_acquire_needs_places_back_when_permits_end_in_any_way(
    make: Make, pool: session.Pool
) -> None:
    bench = Bench(pool, make("200/s", cap=1))
    for _ in range(3):
        bench.gate.abandon(bench.acquire())
        attempt = outcome.Attempt(kind=outcome.Kind.SUCCESS, role=API, reason="ok")
        bench.gate.report(bench.acquire(), attempt, tip="t")
    held = bench.acquire()
    assert not bench.gate.pacer.take(API, cancelled=lambda: False, give_up_s=0.1)
    bench.gate.abandon(held)
    bench.acquire()


def test_acquire_takes_a_slot_for_the_probe_too_when_the_scope_is_open(
    make: Make, pool: session.Pool, conn: session.Connection
) -> None:
    bench = Bench(pool, make("1/h", cap=1))
    spend(bench.gate.pacer)
    conn.execute(
        "INSERT INTO breaker_state (scope, state, epoch, until, open_count)"
        " VALUES (%s, 'open', 1, now(), 1)",
        (breaker.scope(HOST, API),),
    )
    view = conn.execute("SELECT breaker_view(b, clock_timestamp()) FROM breaker_state b").fetchone()
    assert view is not None
    bench.gate.on_beat([view[0]])
    until(lambda: bench.gate.probe_due(API))
    with futures.ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(bench.acquire, 600)
        with pytest.raises(futures.TimeoutError):
            waiting.result(0.5)  # the hour's slot is spent
        bench.gate.pacer.configure(limits("100/s"))
        assert waiting.result(60).probe
