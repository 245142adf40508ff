"""A fleet without processes: its policy, a clock, and a supervisor who does as it is told."""

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
        """These say that they live."""
        for name in names:
            self.fleet.beat(self[name], now=self.now, busy=0)

    def exit(self, name: str, how: slots.Exit = CLEAN) -> None:
        """This one has ended."""
        self.fleet.exited(self[name], now=self.now, exit_=how)

    def running(self) -> "Story":
        """The same, with every child started and heard."""
        self.turn()
        for slot in self.fleet:
            self.fleet.beat(slot, now=self.now, busy=0)
        self.now += 2  # past the time in which a clean exit would look like a failure
        return self


def short(slot: slots.Slot) -> str:
    """`m` or `w` and a number."""
    return "m" if slot.kind is fleet.ChildKind.MONITOR else f"w{slot.number}"


def texts(actions: tuple[fleet.Action, ...]) -> list[str]:
    """The signals among `actions`, as text."""
    return [f"{a.sign} {short(a.slot)}" for a in actions if isinstance(a, fleet.Signal)]
