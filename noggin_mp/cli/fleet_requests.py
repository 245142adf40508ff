"""`fleet drain`, `scale`, `reload`: asked of the supervisors of one host or of all, and awaited."""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import click

from noggin_mp.cli import database, durations, shared, tables
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors
from noggin_mp.store import breaker as store
from noggin_mp.store import requests, session

_POLL_S: Final = 0.3
_MOST_WORKERS: Final = 512
_ADDRESSED: Final = frozenset({"up", "draining", "silent"})
_COLUMNS: Final = {"host": "host", "outcome": "outcome", "detail": "detail"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a request at one host; `ok` is None while that is open."""

    host: str
    ok: bool | None
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked: drain, scale (to so many workers) or reload."""

    verb: str
    reason: str
    workers: int | None = None


_options = shared.options(
    click.option("--host", "hosts", multiple=True, metavar="HOST",
                 help="This host; may be given again. Without it the only one that is up."),
    click.option("--all", "everywhere", is_flag=True, help="Every host that is up."),
    click.option("--wait/--no-wait", default=True, show_default=True,
                 help="Wait until every host has done it, or said why not."),
    click.option("--timeout", "seconds", callback=durations.parse, default="2m",
                 show_default=True, metavar=durations.METAVAR,
                 help="How long to wait; a host that hears of it later does nothing."),
)  # fmt: skip
"""The options that all three share; `--reason` comes before."""


_WHY: Final = "Why, for the audit log and the hosts' logs."


@click.command(
    epilog="""\b
Examples:
  noggin-mp fleet drain --host extract-2 --reason "new disk"
  noggin-mp fleet drain --all --reason "end of season" --timeout 10m

\b
A drained host stays down until somebody starts it: its supervisor ends with exit code 0.
"""
)
@click.option("--reason", required=True, help=_WHY)
@_options
@pass_context
def drain(ctx: Context, /, **options: Any) -> int:
    """Stop leasing, finish what is in hand, and end: one host, or every one with --all."""
    return _carry_through(ctx, Wish(verb="drain", reason=options["reason"]), options)


@click.command(
    epilog="""\b
Examples:
  noggin-mp fleet scale 16 --host extract-1
  noggin-mp fleet scale 4 --all --reason "the API is slow today"

\b
It holds until the next reload or restart of the host; for good, change fleet.workers there.
"""
)
@click.argument("workers", type=click.IntRange(1, _MOST_WORKERS), metavar="N")
@click.option("--reason", default="", help=_WHY)
@_options
@pass_context
def scale(ctx: Context, /, workers: int, **options: Any) -> int:
    """Run N workers on each host asked, until its next reload."""
    wish = Wish(verb="scale", reason=options["reason"], workers=workers)
    return _carry_through(ctx, wish, options)


@click.command(
    epilog="""\b
Examples:
  noggin-mp fleet reload --all
  noggin-mp fleet reload --host extract-1 --host extract-2 --timeout 10m

\b
Each host reads its own files. A faulty one changes nothing there, and is told with its place.
"""
)
@click.option("--reason", default="", help=_WHY)
@_options
@pass_context
def reload(ctx: Context, /, **options: Any) -> int:
    """Have each host asked read its configuration again, as a HUP to its supervisor does."""
    return _carry_through(ctx, Wish(verb="reload", reason=options["reason"]), options)


def _carry_through(ctx: Context, wish: Wish, options: Mapping[str, Any]) -> int:
    """Ask, wait, tell; 0 when every host did it, or when nobody wanted to wait."""
    seconds: float = options["seconds"]
    with database.opened(ctx, "fleet") as connection:
        known = store.fleet(connection)["hosts"]
        everywhere: bool = options["everywhere"]
        targets = _targets(known, options["hosts"], everywhere=everywhere)
        asked: list[str | None] = [None] if everywhere else [*targets]
        ids = _ask(ctx, connection, wish, asked, seconds)
        if not options["wait"]:
            text = f"asked of {', '.join(targets)}; see noggin-mp fleet status"
            ctx.emit({"verb": wish.verb, "requests": ids, "asked": targets}, text)
            return 0
        ctx.note(f"asked of {', '.join(targets)}; waiting up to {seconds:g} s")
        try:
            found = _await(connection, wish, ids, targets, seconds)
        except KeyboardInterrupt:
            ctx.note("nobody waits any more, but what was asked stands; see noggin-mp fleet status")
            raise
    done = all(one.ok for one in found)
    ctx.emit(
        {"verb": wish.verb, "requests": ids, "done": done, "hosts": [asdict(one) for one in found]},
        lambda: tables.table([asdict(one) for one in found], _COLUMNS),
    )
    return int(not done)


def _targets(
    known: Sequence[Mapping[str, Any]], named: Sequence[str], *, everywhere: bool
) -> list[str]:
    """The hosts that are asked, in order. Raises: UsageError, InputError."""
    states = {str(one["host"]): str(one["state"]) for one in known}
    living = [host for host, state in states.items() if state in _ADDRESSED]
    if named and everywhere:
        raise errors.UsageError("--host and --all exclude one another", remedy="give one of them")
    if not living:
        raise errors.InputError("no host is up", remedy="see noggin-mp fleet status")
    for host in named:
        if host not in states:
            raise errors.InputError(
                f"no host called {host!r} has ever signed in",
                remedy=f"take one of {', '.join(living)}",
            )
        if host not in living:
            raise errors.InputError(
                f"host {host!r} is {states[host]}: nothing runs there",
                remedy="see noggin-mp fleet status",
            )
    if named:
        return list(dict.fromkeys(named))
    if len(living) > 1 and not everywhere:
        raise errors.UsageError(
            f"{len(living)} hosts are up", remedy=f"give --all, or --host: {', '.join(living)}"
        )
    return living


def _ask(
    ctx: Context,
    connection: session.Connection,
    wish: Wish,
    hosts: Sequence[str | None],
    seconds: float,
) -> list[int]:
    """The ids of the requests, one for each host; None stands for all of them."""
    with connection.transaction():
        return [
            requests.ask(
                connection,
                verb=wish.verb,
                host=host,
                workers=wish.workers,
                who=database.who(ctx),
                reason=wish.reason,
                seconds=seconds,
            )
            for host in hosts
        ]


def _await(
    connection: session.Connection,
    wish: Wish,
    ids: Sequence[int],
    targets: Sequence[str],
    seconds: float,
) -> list[Outcome]:
    """What became of it at each host, as soon as that is known, or nobody left can be heard."""
    deadline = time.monotonic() + seconds
    withdrawn = False
    while True:
        found = _outcomes(connection, wish, ids, targets)
        waiting = [one for one in found if one.ok is None]
        over = all(one.outcome == "silent" for one in waiting) or time.monotonic() >= deadline
        if not waiting or (over and withdrawn):
            return [_overdue(one, seconds) for one in found]
        if over:  # then look once more: somebody may have been quicker
            requests.withdraw(connection, ids)
            withdrawn = True
            continue
        time.sleep(_POLL_S)


def _outcomes(
    connection: session.Connection, wish: Wish, ids: Sequence[int], targets: Sequence[str]
) -> list[Outcome]:
    answers = {one["host"]: one for one in requests.answers(connection, ids)}
    hosts = {one["host"]: one for one in store.fleet(connection)["hosts"]}
    # A host that signed in after the request may answer, too.
    names = [*targets, *(host for host in answers if host not in targets)]
    return [judged(wish, hosts.get(host, {}), answers.get(host), host) for host in names]


def judged(
    wish: Wish, host: Mapping[str, Any], answer: Mapping[str, Any] | None, name: str
) -> Outcome:
    """What the host's row and its answer come to so far."""
    made = functools.partial(Outcome, host=name)
    if host.get("state") == "stopped":
        drained = wish.verb == "drain"
        ended = "its supervisor has ended" if drained else "it was stopped meanwhile"
        return made(ok=drained, outcome="drained" if drained else "stopped", detail=ended)
    if answer is None:
        silent = host.get("state") in ("silent", "gone")
        age = f"not heard of for {host.get('silent_s') or 0:.0f} s" if silent else "no answer yet"
        return made(ok=None, outcome="silent" if silent else "asked", detail=age)
    detail = answer["detail"] or {}
    counted = f"{detail.get('workers', host.get('workers', 0))} of {wish.workers} workers are up"
    if answer["at"] is None:
        if wish.verb == "scale":
            return made(ok=None, outcome="scaling", detail=counted)
        return made(ok=None, outcome="at it", detail="the outcome is open")
    if not answer["ok"]:
        why = detail.get("error") or ", ".join(f"{k} {v}" for k, v in detail.items())
        return made(ok=False, outcome=str(detail.get("result", "refused")), detail=why)
    match wish.verb:
        case "drain":
            left = f"{host.get('workers', 0)} workers left, {host.get('busy', 0)} TIPs in hand"
            return made(ok=None, outcome="draining", detail=left)
        case "scale":
            return made(ok=True, outcome="scaled", detail=counted)
    version = detail.get("version")
    told = f"configuration {version}" if version is not None else ""
    return made(ok=True, outcome=str(detail.get("result", "applied")), detail=told)


def _overdue(found: Outcome, seconds: float) -> Outcome:
    """What is still open when time is up was not done."""
    if found.ok is not None:
        return found
    never = found.outcome in ("silent", "asked")
    late = "it will not obey later" if never else f"not over after {seconds:g} s"
    return Outcome(
        host=found.host, ok=False, outcome=found.outcome, detail=f"{found.detail}; {late}"
    )
