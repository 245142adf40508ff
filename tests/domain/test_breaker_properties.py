"""The breaker's policy over random outcomes and crashes: what must hold in every sequence."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from noggin_mp.domain import breaker, holds, outcome
from noggin_mp.domain.breaker import Decision, Event, Policy, State

NOW = 1_700_000_000.0
WORKERS = ("a", "b", "c")
HOST = "api.example"
ROLE = outcome.Role.API
API = breaker.scope(HOST, ROLE)
LISTED = {(state, event) for state in State for event in Event if (state, event) in breaker._MOVES}

policies = st.builds(
    Policy,
    fail_max=st.integers(1, 6),
    failure_threshold_percent=st.sampled_from([10.0, 33.3, 50.0, 100.0]),
    sample_size=st.integers(1, 12),
    min_voters=st.integers(1, 3),
    window_s=st.sampled_from([1.0, 12.0, 60.0]),
)
steps_s = st.floats(-30, 90, allow_nan=False)


def vote(
    *, ok: int = 0, failed: int = 0, streak: int | None = None, policy: Policy
) -> breaker.Vote:
    made = breaker.Vote()
    made.add(ok=ok, failed=failed, slow=0, streak=streak, now_s=NOW, policy=policy)
    return made


class Fleet(RuleBasedStateMachine):
    """Workers whose outcomes are counted, under a row that trips, is tried and closed.

    The row is moved by `breaker.move` alone; what the votes come to by `breaker.decide`. Crashes
    take a worker's requests and leave its votes; reports come late, and not at all.
    """

    @initialize(policy=policies)
    def begin(self, policy: Policy) -> None:
        self.policy = policy
        self.state = State.CLOSED
        self.epoch = 0
        self.votes: dict[str, breaker.Vote] = {}
        self.sent: list[tuple[str, int, bool]] = []  # worker, epoch, is it the trial?
        self.counted = 0
        self.passed = 0

    def turn(self, event: Event) -> None:
        self.state = breaker.move(self.state, event)
        self.epoch += 1
        self.votes = {}
        self.counted = 0

    @precondition(lambda self: self.state is State.CLOSED)
    @rule(worker=st.sampled_from(WORKERS))
    def send(self, worker: str) -> None:
        self.sent.append((worker, self.epoch, False))

    @precondition(lambda self: self.state in (State.OPEN, State.HALF_OPEN))
    @rule(worker=st.sampled_from(WORKERS))
    def probe(self, worker: str) -> None:
        if not any(trial for _, _, trial in self.sent):
            self.turn(Event.PROBE)
            self.sent.append((worker, self.epoch, True))

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), ok=st.booleans())
    def end(self, data: Any, ok: bool) -> None:
        worker, epoch, trial = self.sent.pop(data.draw(st.integers(0, len(self.sent) - 1)))
        if trial:
            self.end_trial(epoch, ok)
        elif epoch == self.epoch:
            mine = self.votes.setdefault(worker, breaker.Vote())
            streak = 0 if ok else 1
            mine.add(
                ok=int(ok), failed=int(not ok), slow=0, streak=streak, now_s=NOW, policy=self.policy
            )
            self.counted += 1
            self.judge(worker)

    def share(self) -> float:
        return self.policy.failure_threshold_percent

    def judge(self, worker: str) -> None:
        found = breaker.decide(self.votes, worker=worker, busy=0, policy=self.policy, now_s=NOW)
        if found in (Decision.TRIP_STREAK, Decision.TRIP_SHARE):
            failed = sum(each.totals(self.policy, NOW)[1] for each in self.votes.values())
            least = min(self.policy.fail_max, self.policy.sample_size * self.share() / 100)
            assert failed >= least
            self.turn(Event.TRIP)
            self.passed = 0
        elif found is Decision.QUARANTINE:
            self.votes[worker].quarantined = True

    def end_trial(self, epoch: int, ok: bool) -> None:
        if epoch != self.epoch:
            return
        self.passed = self.passed + 1 if ok else 0
        if not ok:
            self.turn(Event.TRIAL_FAILED)
        elif self.passed >= self.policy.success_threshold:
            self.turn(Event.TRIAL_PASSED)

    @rule(worker=st.sampled_from(WORKERS))
    def crash(self, worker: str) -> None:
        self.sent = [request for request in self.sent if request[0] != worker]

    @rule(event=st.sampled_from([Event.FORCE, Event.CLOSE]))
    def act(self, event: Event) -> None:
        self.turn(event)
        if self.state is State.FORCED_OPEN:
            self.turn(Event.EXPIRE)

    @invariant()
    def no_sample_is_counted_twice_or_in_two_epochs(self) -> None:
        totals = [each.totals(self.policy, NOW) for each in getattr(self, "votes", {}).values()]
        assert sum(ok + failed for ok, failed, _ in totals) == getattr(self, "counted", 0)

    @invariant()
    def one_trial_at_most_and_only_in_half_open(self) -> None:
        trials = [epoch for _, epoch, trial in getattr(self, "sent", ()) if trial]
        assert len(trials) <= 1
        if any(epoch == self.epoch for epoch in trials):
            assert self.state is State.HALF_OPEN


TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=150, stateful_step_count=40)


@given(st.sampled_from(State), st.sampled_from(Event))
def test_move_raises_when_it_is_not_listed_whatever_the_state(state: State, event: Event) -> None:
    try:
        new = breaker.move(state, event)
    except breaker.IllegalMove as error:
        assert (state, event) not in LISTED
        assert str(state) in str(error)
        assert str(event) in str(error)
    else:
        assert (state, event) in LISTED
        assert event is not Event.PROBE or new is State.HALF_OPEN


@given(policy=policies, busy=st.integers(0, 8), data=st.data())
def test_streak_trips_at_its_limit_and_not_one_below(policy: Policy, busy: int, data: Any) -> None:
    limit = max(policy.fail_max, busy)
    policy = Policy.of({**policy.as_dict(), "sample_size": 10_000})
    cut = data.draw(st.integers(0, limit))
    for total, tripped in ((limit - 1, False), (limit, True)):
        parts = {"a": min(cut, total), "b": total - min(cut, total)}
        votes = {
            name: vote(failed=1, streak=streak, policy=policy)
            for name, streak in parts.items()
            if streak
        }
        name = next(iter(votes), "a")
        found = breaker.decide(votes, worker=name, busy=busy, policy=policy, now_s=NOW)
        assert (found is Decision.TRIP_STREAK) is tripped


@given(policy=policies, ok=st.integers(0, 60), failed=st.integers(0, 60))
def test_share_trips_exactly_when_the_sample_and_the_share_are_reached(
    policy: Policy, ok: int, failed: int
) -> None:
    policy = Policy.of({**policy.as_dict(), "fail_max": 10_000})
    found = breaker.decide(
        {"a": vote(ok=ok, failed=failed, policy=policy)},
        worker="a",
        busy=0,
        policy=policy,
        now_s=NOW,
    )
    size = ok + failed
    enough = size >= policy.sample_size and failed > 0
    reached = failed * 100 >= policy.failure_threshold_percent * size
    assert (found is Decision.TRIP_SHARE) is (enough and reached)


@given(
    cap=st.floats(0.5, 5000),
    default=st.floats(0.1, 60),
    asked=st.none() | st.floats(allow_nan=True, allow_infinity=True),
)
def test_pause_seconds_stay_within_the_cap_and_are_never_shorter_than_asked(
    cap: float, default: float, asked: float | None
) -> None:
    policy = Policy(retry_after_cap_s=cap, pause_default_s=default)
    seconds = breaker.pause_seconds(policy, asked)
    assert 0 < seconds <= cap
    if asked is None or math.isnan(asked) or asked <= 0:
        assert seconds == min(default, cap)
    else:
        assert seconds >= min(asked, cap)
        assert seconds <= asked + 1


@given(
    policy=policies,
    told=st.lists(
        st.tuples(steps_s, st.integers(0, 3), st.integers(0, 3), st.sampled_from([None, 0, 1])),
        max_size=30,
    ),
)
def test_vote_counts_nothing_twice_when_the_clock_jumps_both_ways(
    policy: Policy, told: list[tuple[float, int, int, int | None]]
) -> None:
    mine, now, total, failures = breaker.Vote(), NOW, 0, 0
    for step_s, ok, failed, streak in told:
        now += step_s
        mine.add(ok=ok, failed=failed, slow=0, streak=streak, now_s=now, policy=policy)
        total += ok + failed
        failures += streak or 0
        seen_ok, seen_failed, _ = mine.totals(policy, now)
        assert ok + failed <= seen_ok + seen_failed <= total
        assert 0 <= mine.streak <= failures


@given(
    random=st.floats(0, 1, exclude_max=True),
    jitter=st.floats(0, 1),
    multiplier=st.floats(1, 10),
    first=st.floats(0.1, 1000),
    most=st.floats(0.1, 5000),
)
def test_open_seconds_grow_with_the_count_up_to_the_cap(
    random: float, jitter: float, multiplier: float, first: float, most: float
) -> None:
    policy = Policy(
        open_duration_s=first, open_multiplier=multiplier, open_jitter=jitter, open_max_s=most
    )
    times = [breaker.open_seconds(policy, count, random) for count in (-1, 0, 1, 2, 5, 10**9)]
    assert times == sorted(times)
    assert times[0] == times[2]
    assert times[0] >= 0
    assert times[-1] <= most


@given(
    known=st.integers(0, 9),
    told=st.integers(0, 9),
    state=st.sampled_from([State.OPEN, State.HALF_OPEN, State.FORCED_OPEN]),
)
def test_rows_take_the_newest_epoch_and_hold_what_it_holds(
    known: int, told: int, state: State
) -> None:
    rows = holds.Rows(HOST)
    rows.adopt(holds.Row(scope=API, epoch=known), 0.0)
    rows.adopt(holds.Row(scope=API, epoch=told, state=state, until=60.0), 0.0)
    assert (rows.hold(ROLE, 0.0, "token") is not None) is (told >= known)
    rows.adopt(holds.Row(scope=API, epoch=0), 0.0, whatever=True)
    assert rows.hold(ROLE, 0.0, "token") is None


@given(
    pauses=st.lists(st.floats(1, 100), min_size=1, max_size=5),
    rows=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=8),
    at=st.floats(0, 120),
)
def test_own_pause_holds_to_its_end_whatever_rows_come_in(
    pauses: list[float], rows: list[tuple[int, bool]], at: float
) -> None:
    known = holds.Rows(HOST)
    for until in pauses:
        known.pause(until, 0.0, "http_429")
    for epoch, whatever in rows:
        known.adopt(holds.Row(scope=HOST, epoch=epoch), 0.0, whatever=whatever)
        if whatever:
            known.forget_others([])
    hold = known.hold(ROLE, at, "token")
    assert (hold is not None) is (at < max(pauses))
    for until in pauses:
        known.told(until)
    known.adopt(holds.Row(scope=HOST, epoch=9), 0.0)
    assert known.hold(ROLE, at, "token") is None
