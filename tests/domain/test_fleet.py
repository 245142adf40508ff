"""The fleet's policy as tables: what happened goes in, what is to be done comes out."""

import pytest

from noggin_mp.domain import fleet, slots

RULES = slots.Rules(grace_s=30, watchdog_s=120)
CRASH = slots.Exit(code=70)
KILLED = slots.Exit(code=None, signal=9)
CLEAN = slots.Exit(code=0)
TERM, QUIT, ABRT, KILL = slots.Sign.TERM, slots.Sign.QUIT, slots.Sign.ABRT, slots.Sign.KILL


class Story:
    """A fleet and a clock; carries out actions as a supervisor would, without processes."""

    def __init__(self, workers: int = 2, **options: bool) -> None:
        self.now = 1000.0
        self.fleet = fleet.Fleet(rules=RULES, workers=workers, jitter=lambda: 1.0, **options)
        self.pid = 100

    def __getitem__(self, name: str) -> slots.Slot:
        kinds = {"m": fleet.ChildKind.MONITOR, "w": fleet.ChildKind.WORKER}
        wanted = (kinds[name[0]], int(name[1:] or 0))
        return next(slot for slot in self.fleet if (slot.kind, slot.number) == wanted)

    def turn(self, *, after: float = 0.0) -> list[str]:
        """What is decided so many seconds later, as text; spawns are carried out."""
        self.now += after
        said = []
        for action in self.fleet.decide(self.now):
            if isinstance(action, fleet.Spawn):
                self.pid += 1
                action.slot.spawned(now=self.now, pid=self.pid, generation=self.fleet.generation)
                said.append(f"spawn {short(action.slot)}")
            else:
                said.append(f"{action.sign} {short(action.slot)}")
        return said

    def beat(self, *names: str) -> None:
        for name in names:
            self.fleet.beat(self[name], now=self.now, busy=0)

    def exit(self, name: str, how: slots.Exit = CLEAN) -> None:
        self.fleet.exited(self[name], now=self.now, exit_=how)

    def running(self) -> "Story":
        self.turn()
        for slot in self.fleet:
            self.fleet.beat(slot, now=self.now, busy=0)
        self.now += 2  # past the time in which a clean exit would look like a failure
        return self


def short(slot: slots.Slot) -> str:
    return "m" if slot.kind is fleet.ChildKind.MONITOR else f"w{slot.number}"


def texts(actions: tuple[fleet.Action, ...]) -> list[str]:
    return [f"{a.sign} {short(a.slot)}" for a in actions if isinstance(a, fleet.Signal)]


def test_fleet_spawns_every_slot_once_when_it_starts() -> None:
    story = Story()

    assert story.turn() == ["spawn w0", "spawn w1", "spawn m"]
    assert story.turn() == []


def test_fleet_runs_when_a_worker_has_beaten() -> None:
    story = Story()
    story.turn()
    story.beat("m")
    assert story.fleet.phase is fleet.Phase.STARTING
    story.beat("w1")

    assert story.fleet.phase is fleet.Phase.RUNNING


@pytest.mark.parametrize(("failures", "delay_s"), [(1, 0.0), (2, 0.5), (3, 1.0), (4, 2.0)])
def test_slot_waits_longer_when_it_fails_again(failures: int, delay_s: float) -> None:
    slot = slots.Slot(kind=fleet.ChildKind.WORKER, number=0)
    for number in range(failures):
        slot.spawned(now=100.0 + number, pid=1, generation=0)
        slot.exited(now=100.0 + number, exit_=CRASH, rules=RULES, jitter=1.0)

    assert slot.due_at - (100.0 + failures - 1) == pytest.approx(delay_s)


@pytest.mark.parametrize(("jitter", "delay_s"), [(0.0, 15.0), (0.5, 22.5), (1.0, 30.0)])
def test_slot_waits_30_s_at_most_when_it_fails_for_ever(jitter: float, delay_s: float) -> None:
    slot = slots.Slot(kind=fleet.ChildKind.MONITOR, number=0)
    for _ in range(200):
        slot.spawned(now=0.0, pid=1, generation=0)
        slot.exited(now=0.0, exit_=KILLED, rules=RULES, jitter=jitter)

    assert slot.due_at == pytest.approx(delay_s)
    assert slot.state is slots.SlotState.WAITING


def test_slot_respawns_at_once_when_it_was_healthy_for_a_minute() -> None:
    story = Story().running()
    for _ in range(3):
        story.exit("w0", CRASH)
        story.turn(after=4)
    story.beat("w0", "w1", "m")
    story.turn(after=59)
    story.beat("w0", "w1", "m")
    story.now += 1
    story.exit("w0", CRASH)

    assert story.turn() == ["spawn w0"]


def test_slot_is_parked_when_it_fails_five_times_in_a_minute() -> None:
    story = Story().running()
    for _ in range(5):
        assert story["w0"].state is not slots.SlotState.PARKED
        story.exit("w0", KILLED)
        story.turn(after=4)

    assert story["w0"].state is slots.SlotState.PARKED
    assert story.turn(after=4) == []
    assert story.fleet.phase is fleet.Phase.RUNNING


def test_slot_is_not_parked_when_its_failures_are_spread_out() -> None:
    story = Story().running()
    for _ in range(20):
        story.exit("w0", KILLED)
        story.beat("w1", "m")
        story.turn(after=16)

    assert story["w0"].state in (slots.SlotState.STARTING, slots.SlotState.WAITING)


def test_fleet_ends_with_1_when_all_workers_are_parked() -> None:
    story = Story(workers=1).running()
    for _ in range(5):
        story.exit("w0", CRASH)
        story.turn(after=4)
    assert story.turn() == []
    assert story["m"].state is slots.SlotState.DRAINING
    story.exit("m")

    assert (story.fleet.finished, story.fleet.exit_code) == (True, 1)


def test_worker_is_replaced_without_blame_when_it_ends_well() -> None:
    story = Story().running()
    for _ in range(10):
        story.exit("w0", CLEAN)
        assert story.turn(after=2) == ["spawn w0"]
        story.turn(after=2)


def test_clean_exit_is_a_failure_when_it_comes_at_once() -> None:
    story = Story(workers=1)
    for _ in range(5):
        story.turn(after=4)
        story.exit("w0", CLEAN)

    assert story["w0"].state is slots.SlotState.PARKED


def test_fleet_ends_when_every_worker_has_done_its_share() -> None:
    story = Story(finite=True).running()
    story.exit("w0", CLEAN)
    assert story.turn() == []
    story.exit("w1", KILLED)
    assert story.turn() == ["spawn w1"]
    story.now += 2
    story.exit("w1", CLEAN)
    assert story.turn() == ["TERM m"]
    story.exit("m")

    assert (story.fleet.finished, story.fleet.exit_code) == (True, 0)


@pytest.mark.parametrize("code", sorted(fleet.HALTING_CODES))
@pytest.mark.parametrize("who", ["w1", "m"])
def test_fleet_halts_when_a_child_ends_with_a_code_that_repeats(who: str, code: int) -> None:
    story = Story()
    story.turn()
    story.exit(who, slots.Exit(code=code))

    assert story.fleet.phase is fleet.Phase.DRAINING
    assert story.fleet.exit_code == code


def test_silent_worker_gets_abrt_then_kill_when_the_watchdog_is_over() -> None:
    story = Story(workers=1).running()
    for _ in range(117):
        assert story.turn(after=1) == []
    story.beat("m")
    story.now += 1
    assert story.turn() == [f"{ABRT} w0"]
    assert story.turn(after=4) == []
    assert story.turn(after=1) == [f"{KILL} w0"]
    story.exit("w0", KILLED)

    assert story.turn() == ["spawn w0"]


def test_silence_is_forgiven_when_the_supervisor_was_stopped() -> None:
    story = Story().running()
    story.turn()

    assert story.turn(after=500) == []
    story.now += 119
    assert story.fleet.decide(story.now) == ()


def test_fleet_drains_workers_then_monitor_when_asked() -> None:
    story = Story().running()
    story.fleet.drain(now=story.now, exit_code=0, reason="asked")
    assert story.turn() == ["TERM w0", "TERM w1"]
    story.exit("w0")
    assert story.turn() == []
    story.exit("w1", KILLED)
    assert story.turn() == ["TERM m"]
    story.exit("m")

    assert (story.fleet.finished, story.fleet.exit_code) == (True, 0)
    assert story.turn() == []


def test_fleet_kills_all_who_are_left_when_grace_is_over() -> None:
    story = Story(workers=1).running()
    story.fleet.drain(now=story.now, exit_code=0, reason="asked")
    assert story.turn() == ["TERM w0"]
    story.turn()
    for _ in range(27):
        assert story.turn(after=1) == []
    assert story.turn(after=1) == ["TERM m"]

    assert story.turn(after=2) == ["KILL w0", "KILL m"]
    assert story.turn(after=1) == []


def test_waiting_slot_is_not_spawned_when_draining() -> None:
    story = Story(workers=1)
    story.fleet.drain(now=story.now, exit_code=0, reason="asked")

    assert story.turn(after=1) == []
    assert story.fleet.finished


def test_first_reason_stands_when_told_to_drain_twice() -> None:
    story = Story(until_drained=True).running()
    story.fleet.told_drained(now=story.now, exit_code=1)
    story.fleet.drain(now=story.now, exit_code=0, reason="asked")

    assert story.fleet.exit_code == 1


@pytest.mark.parametrize(("until_drained", "phase"), [(True, "draining"), (False, "running")])
def test_drained_and_auth_stop_matter_when_the_fleet_should_end(
    until_drained: bool, phase: str
) -> None:
    for exit_code in (0, 4):
        story = Story(until_drained=until_drained).running()
        if exit_code == 4:
            story.fleet.told_auth_stop(now=story.now)
        else:
            story.fleet.told_drained(now=story.now, exit_code=0)

        assert story.fleet.phase == phase
        assert story.fleet.exit_code == (exit_code if until_drained else 0)


def test_interrupts_drain_abort_and_kill_when_they_follow_one_another() -> None:
    story = Story(workers=1).running()
    assert texts(story.fleet.interrupted(now=story.now)) == []
    assert story.turn() == ["TERM w0"]
    assert story.fleet.exit_code == 0
    assert texts(story.fleet.interrupted(now=story.now + 1)) == ["QUIT w0", "QUIT m"]
    assert texts(story.fleet.interrupted(now=story.now + 3)) == ["KILL w0", "KILL m"]

    assert story.fleet.exit_code == 130


def test_third_interrupt_aborts_again_when_it_comes_late() -> None:
    story = Story(workers=1).running()
    story.fleet.interrupted(now=story.now)
    story.fleet.interrupted(now=story.now)

    assert texts(story.fleet.interrupted(now=story.now + 2.5)) == ["QUIT w0", "QUIT m"]
    assert story.turn(after=2) == []
    assert story.turn(after=3) == ["KILL w0", "KILL m"]


def test_slots_come_and_go_when_resized() -> None:
    story = Story().running()
    story.fleet.resize(4, now=story.now)
    assert story.turn() == ["spawn w2", "spawn w3"]
    story.beat("w2", "w3")
    story.fleet.resize(1, now=story.now)
    assert story.turn() == ["TERM w1", "TERM w2", "TERM w3"]
    story.exit("w3")
    story.fleet.resize(2, now=story.now)
    story.exit("w1")

    assert story.turn() == ["spawn w1"]
    assert story.fleet.target == 2


def test_roll_replaces_one_at_a_time_when_each_is_ready() -> None:
    story = Story().running()
    story.fleet.roll(now=story.now, rules=RULES)
    assert story.turn() == ["TERM w0"]
    assert story.turn() == []
    story.exit("w0")
    assert story.turn() == ["spawn w0"]
    assert story.turn() == []
    story.beat("w0")
    assert story.turn() == ["TERM w1"]
    story.exit("w1")
    assert story.turn() == ["spawn w1"]
    story.beat("w1")
    assert story.fleet.rolling
    assert story.turn() == ["TERM m"]
    story.exit("m")
    assert story.turn() == ["spawn m"]

    assert not story.fleet.rolling


def test_roll_gives_parked_slots_a_fresh_start_when_it_begins() -> None:
    story = Story().running()
    for _ in range(5):
        story.exit("w0", CRASH)
        story.turn(after=4)
    story.fleet.roll(now=story.now, rules=RULES)

    assert story.turn() == ["spawn w0"]


def test_next_time_is_the_earliest_deadline_when_nothing_happens() -> None:
    story = Story(workers=1).running()
    assert story.fleet.next_at() == story.now - 2 + 120
    story.exit("w0", CRASH)
    story.turn()
    story.exit("w0", CRASH)

    assert story.fleet.next_at() == story.now + 0.5


def test_refused_fork_is_tried_again_later_when_the_system_is_full() -> None:
    story = Story(workers=1)
    for action in story.fleet.decide(story.now)[:1]:
        assert isinstance(action, fleet.Spawn)
        for _ in range(2):
            story.fleet.spawn_failed(action.slot, now=story.now)

    assert story["w0"].due_at == story.now + 0.5
