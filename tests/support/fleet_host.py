"""A process that runs a Supervisor with tiny children: `python -m tests.support.fleet_host JSON`.

Each child writes lines to the journal: what it is, and what it saw.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from noggin_mp.domain import child, errors, fleet, recycling, slots
from noggin_mp.observe import logs
from noggin_mp.settings import schema
from noggin_mp.supervisor import contexts, loop

EVERY_S = 0.05


def note(event: str, **fields: object) -> None:
    line = json.dumps({"event": event, "pid": os.getpid(), **fields}) + "\n"
    fd = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, line.encode())
    os.close(fd)


def introduce(context: fleet.ChildContext) -> None:
    settings = context.settings
    assert isinstance(settings, schema.Settings)
    note(
        "started",
        kind=context.kind,
        slot=context.slot,
        boot=context.boot,
        instance=context.instance,
        threads=settings.fleet.threads,
        options=dict(context.options),
        fds=sorted(int(fd.name) for fd in Path("/proc/self/fd").iterdir()),
    )


def good(context: fleet.ChildContext) -> int:
    """Beats until asked to end; takes new settings over."""
    introduce(context)
    while not context.wait(EVERY_S):
        obey(context)
        context.beat(context.slot)
    note("ended", slot=context.slot, kind=context.kind, aborting=context.aborting())
    return 0


def obey(context: fleet.ChildContext) -> None:
    for order in context.orders():
        if order.name == child.SETTINGS:
            told: Any = order.body
            note("settings", slot=context.slot, threads=told["settings"].fleet.threads)
            context.tell("applied", {"version": told["version"]})


def deaf(context: fleet.ChildContext) -> int:
    """Beats, and reads no orders, in its first life."""
    introduce(context)
    while not context.wait(EVERY_S):
        context.beat(context.slot)
    return 0


def choosy(context: fleet.ChildContext) -> int:
    """Cannot boot with 13 threads, hangs before work with 14, dies at once with 15."""
    settings = context.settings
    assert isinstance(settings, schema.Settings)
    match settings.fleet.threads:
        case 13:
            introduce(context)
            raise errors.SchemaError("13 is no good number")
        case 14:
            introduce(context)
            while not context.wait(EVERY_S):
                context.beat(-1)
            return 0
        case 15:
            introduce(context)
            os.kill(os.getpid(), signal.SIGKILL)
    return good(context)


def slow(context: fleet.ChildContext) -> int:
    """Does not end before it is told to abort."""
    introduce(context)
    asked = False
    while not context.aborting():
        context.beat(1)
        if not asked and context.stopping():
            asked = True
            note("asked", slot=context.slot)
        signal.sigtimedwait([], EVERY_S)
    note("aborted", slot=context.slot)
    return 0


def stubborn(context: fleet.ChildContext) -> int:
    """Beats, and ignores every request to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    introduce(context)
    while True:
        context.beat(1)
        signal.sigtimedwait([], EVERY_S)


def hung(context: fleet.ChildContext) -> int:
    """Slot 0's first tenant falls silent; every other is good."""
    if context.slot == 0 and not Path(os.environ["JOURNAL"] + ".hung").exists():
        Path(os.environ["JOURNAL"] + ".hung").touch()
        introduce(context)
        context.beat(1)
        fall_silent()
    return good(context)


def fall_silent() -> None:
    signal.sigtimedwait([], 600)


def crashing(context: fleet.ChildContext) -> int:
    introduce(context)
    raise ZeroDivisionError("made to fail")


def unable(context: fleet.ChildContext) -> int:
    introduce(context)
    raise errors.SchemaError("the schema is older than the program", remedy="migrate it")


def finished(context: fleet.ChildContext) -> int:
    """A worker that did its share."""
    introduce(context)
    context.beat(0)
    signal.sigtimedwait([], 1.2)
    return 0


def drained(context: fleet.ChildContext) -> int:
    """A monitor that finds the queue drained: at once, or after its first tenant died."""
    mark = Path(os.environ["JOURNAL"] + ".monitor")
    if os.environ.get("MONITOR_DIES") and not mark.exists():
        mark.touch()
        introduce(context)
        os.kill(os.getpid(), signal.SIGKILL)
    context.tell("drained", {"exit_code": 1})
    return good(context)


def no_token(context: fleet.ChildContext) -> int:
    context.tell("auth_stop", {})
    return good(context)


def cut_off(context: fleet.ChildContext) -> int:
    """Dies in the middle of a message, the first time."""
    mark = Path(f"{os.environ['JOURNAL']}.{context.slot}")
    if mark.exists():
        return good(context)
    mark.touch()
    introduce(context)
    # The message pipe is the highest descriptor that a fresh child may write to.
    for fd in sorted((int(f.name) for f in Path("/proc/self/fd").iterdir()), reverse=True):
        try:
            if Path(f"/proc/self/fd/{fd}").readlink().name.startswith("pipe:") and fd > 2:
                os.write(fd, b'{"event": "drai')
        except OSError:
            continue
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def main(wish: dict[str, Any]) -> int:
    file = Path(wish["log_file"]) if "log_file" in wish else None
    logs.configure(level="info", format="json", file=file)
    settings = schema.Settings.model_validate(wish["settings"])
    numbers = wish.get("rules", {})
    limits = recycling.Limits(**numbers.pop("recycle", {}))
    rules = slots.Rules(**numbers, recycle=limits)
    changes: list[dict[str, Any]] = wish.get("reloads", [])

    def reload() -> schema.Settings:
        note("reread")  # in a process of its own: the journal counts
        lines = Path(os.environ["JOURNAL"]).read_text().splitlines()
        change = changes[sum(json.loads(line)["event"] == "reread" for line in lines) - 1]
        if "error" in change:
            raise errors.ConfigError(change["error"])
        return schema.Settings.model_validate(change)

    def prepare(folder: Path) -> None:
        note("prepared", folder=str(folder))

    options = contexts.Options(
        **wish.get("options", {}),
        rules=rules,
        source=contexts.Source(read=reload, origin=lambda key: f"noggin.yaml:7:{len(key)}"),
        prepare_metrics=prepare,
    )
    from tests.support import fleet_cast  # which needs what is above

    entries = vars(fleet_cast) | globals()
    supervisor = loop.Supervisor(
        settings,
        worker_entry=entries[wish.get("worker", "good")],
        monitor_entry=entries[wish.get("monitor", "good")],
        options=options,
    )
    try:
        return supervisor.run()
    except errors.NogginError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
