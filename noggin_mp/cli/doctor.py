"""`doctor`: every prerequisite, each with its fix."""

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from noggin_mp.cli.context import Context, pass_context

if TYPE_CHECKING:
    from noggin_mp.cli.findings import Check, Finding, Verdict

_MARKS: Final = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "-"}
_COLOURS: Final = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}


@click.command(
    epilog="""\b
Examples:
  noggin-mp doctor
  noggin-mp -c /etc/noggin-mp/noggin.yaml doctor --offline
  noggin-mp doctor --json | jq '.checks[] | select(.state != "ok")'

\b
Run it as the user that the service runs as: sudo -u noggin noggin-mp doctor
It changes nothing. Each check takes five seconds at most. Exit code: 0 when nothing failed
(warnings may have been told), else that of the first failure.
"""
)
@click.option("--offline", is_flag=True, help="Do not ask the API.")
@pass_context
def doctor(ctx: Context, offline: bool) -> int:
    """Check every prerequisite, and say how to mend what is amiss."""
    from noggin_mp.cli import findings

    found: list[Finding] = []
    with warnings.catch_warnings(), _progress(ctx) as show:
        warnings.simplefilter("ignore")
        for check in _checks(ctx, offline=offline):
            show(check.name)
            found += findings.run(check)
    code = next((one.exit_code for one in found if one.state is findings.State.FAILED), 0)
    counts = {str(state): sum(one.state is state for one in found) for state in findings.State}
    data = {
        "ok": code == 0,
        "exit_code": code,
        "counts": counts,
        "checks": [
            {"check": one.check, "state": str(one.state), "found": one.found, "remedy": one.remedy}
            for one in found
        ],
    }
    if ctx.json or not ctx.color:
        ctx.emit(data, lambda: _plain(found, counts))
    else:
        _pretty(found, counts)
    return code


def _checks(ctx: Context, *, offline: bool) -> "Iterator[Check]":
    """The checks in their order; what needs settings comes only when there are any."""
    from noggin_mp.cli import doctor_api, doctor_database, doctor_machine, doctor_services
    from noggin_mp.cli.findings import Check
    from noggin_mp.domain import errors

    yield Check(name="python", look=doctor_machine.python)
    yield Check(name="configuration", look=partial(_configuration, ctx))
    try:
        settings = ctx.settings
    except errors.ConfigError:
        yield Check(name="packages", look=partial(doctor_machine.packages, embedded=False))
        return
    embedded = not settings.database.dsn
    yield Check(name="packages", look=partial(doctor_machine.packages, embedded=embedded))
    for key in ("state", "input", "log"):
        look = partial(doctor_machine.folder, getattr(settings.paths, key), key=key)
        yield Check(name=f"folder {key}", look=look)
    yield Check(name="folder output", look=partial(doctor_machine.output, settings))
    for name, of in _MACHINE.items():
        yield Check(name=name, look=partial(getattr(doctor_machine, of), settings))
    database = doctor_database.Doctor(settings)
    yield from database.checks()
    api = doctor_api.Doctor(settings, offline=offline, subject=lambda: database.subject)
    yield from api.checks()
    yield from doctor_services.Doctor(settings, config=ctx.loaded.file).checks()


_MACHINE: Final = {
    "metrics": "metrics_memory",
    "memory": "memory",
    "limits": "limits",
    "port": "port",
    "supervisor": "supervisor",
}
"""The checks of this machine that need settings, each with its function."""


def _configuration(ctx: Context) -> "Iterator[Verdict]":
    """The configuration with its faults, or its notes."""
    from noggin_mp.cli import findings
    from noggin_mp.domain import errors

    try:
        loaded = ctx.loaded
    except errors.ConfigError as error:
        for problem in error.problems or (errors.Problem(file="", message=error.message),):
            place = ":".join(str(one) for one in (problem.file, problem.line) if one)
            told = f"{place}: {problem.message}" if place else problem.message
            remedy = problem.remedy or "correct it; see noggin-mp config check"
            yield findings.failed(told, remedy, error.exit_code)
        return
    yield findings.ok(" and ".join(map(str, loaded.files)) or "none: all is default")
    for note in loaded.notes:
        yield findings.warning(note.message, note.remedy)


@contextlib.contextmanager
def _progress(ctx: Context) -> Iterator[Callable[[str], None]]:
    """A function that says, on a terminal's stderr, which check is under way."""
    if not sys.stderr.isatty() or ctx.quiet or ctx.json:
        yield lambda name: None
        return
    from rich.console import Console

    with Console(stderr=True).status("looking around") as status:
        yield lambda name: status.update(f"checking {name}")


def _plain(found: "list[Finding]", counts: dict[str, int]) -> str:
    """One line per finding, for pipes and logs."""
    width = max(len(one.check) for one in found)
    lines = [
        f"{one.state:<8} {one.check:<{width}}  {one.found}"
        + (f"; {one.remedy}" if one.remedy else "")
        for one in found
    ]
    return "\n".join([*lines, _summary(counts)])


def _pretty(found: "list[Finding]", counts: dict[str, int]) -> None:
    """The same for a terminal: marks and colours, the remedy below what it mends."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for one in found:
        colour = _COLOURS[one.state]
        told = Text(one.found, style="dim" if one.state == "skipped" else "")
        if one.remedy:
            told.append(f"\n→ {one.remedy}", style="bold")
        grid.add_row(Text(_MARKS[one.state], style=colour), Text(one.check, style=colour), told)
    console = Console(highlight=False)
    console.print(grid)
    console.print(Text(_summary(counts), style="bold red" if counts["failed"] else "bold"))


def _summary(counts: dict[str, int]) -> str:
    if not counts["failed"] and not counts["warning"]:
        return "all is well"
    return f"{counts['ok']} ok, {counts['warning']} to look at, {counts['failed']} failed"
