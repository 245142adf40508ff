"""The console script: finds the verb, imports only what it needs, turns errors into exit codes."""

import difflib
import gc
import importlib
import os
import signal
import stat
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn, TextIO

import click
from click.shell_completion import CompletionItem, shell_complete

import noggin_mp
from noggin_mp.cli import errors
from noggin_mp.cli.context import Context


class Verb(NamedTuple):
    """Where a verb's click command is, and its line in `--help` (which imports none of them)."""

    target: str
    help: str


VERBS: dict[str, Verb] = {
    "demo": Verb("noggin_mp.cli.demo:demo", "Database, simulator and fleet, with live progress."),
    "init": Verb("noggin_mp.cli.init:init", "Write a configuration, folders and service files."),
    "doctor": Verb("noggin_mp.cli.doctor:doctor", "Check every prerequisite, each with its fix."),
    "config": Verb("noggin_mp.cli.config:config", "Check, show and reload the configuration."),
    "token": Verb("noggin_mp.cli.token:token", "Check the API's token, or set a new one."),
    "db": Verb("noggin_mp.cli.db:db", "Start, stop, migrate and query the database."),
    "import": Verb("noggin_mp.cli.imports:import_", "Load TIPs from CSV exports."),
    "sources": Verb("noggin_mp.cli.imports:sources", "Every file ever loaded."),
    "run": Verb("noggin_mp.cli.run:run", "Supervise a fleet of workers."),
    "worker": Verb("noggin_mp.cli.run:worker", "One worker alone."),
    "monitor": Verb("noggin_mp.cli.run:monitor", "One monitor alone: metrics, health, upkeep."),
    "status": Verb("noggin_mp.cli.status:status", "What is going on, as a snapshot."),
    "health": Verb("noggin_mp.cli.status:health", "A verdict: exit 0 or 1, with reasons."),
    "top": Verb("noggin_mp.cli.top:top", "The fleet at work, live."),
    "fleet": Verb("noggin_mp.cli.fleet:fleet", "Watch and steer the workers of every host."),
    "breaker": Verb("noggin_mp.cli.breaker:breaker", "Show and steer the circuit breaker."),
    "tips": Verb("noggin_mp.cli.tips:tips", "List, show, retry and skip TIPs."),
    "errors": Verb("noggin_mp.cli.tips:errors", "Failures, grouped."),
    "dead": Verb("noggin_mp.cli.dead:dead", "Dead letters: list, show, retry, discard."),
    "hashes": Verb("noggin_mp.cli.hashes:hashes", "Names behind hashes."),
    "export": Verb("noggin_mp.cli.export:export", "Records, attachments, errors as CSV or JSON."),
    "report": Verb("noggin_mp.cli.report:report", "A day or a longer time, written or sent."),
    "notify": Verb("noggin_mp.cli.notify:notify", "Messages by e-mail and Slack."),
    "prune": Verb("noggin_mp.cli.prune:prune", "Clear old errors, history and temporary files."),
    "simulate": Verb("noggin_mp.cli.simulate:simulate", "The fake Noggin API alone."),
    "completion": Verb("noggin_mp.cli.completion:completion", "What makes Tab work in a shell."),
}
"""Every verb, in the order of `--help`."""

COMPLETE = "_NOGGIN_MP_COMPLETE"
"""The variable in which a shell says that it wants words to complete."""

_SERVICES = frozenset({"run", "worker", "monitor"})
"""Verbs for which HUP means reload, as soon as they handle it."""

EPILOG = """\b
Examples:
  noggin-mp demo
  noggin-mp import export.csv && noggin-mp run --until-drained
  noggin-mp -c /etc/noggin-mp/noggin.yaml status --json

\b
Exit codes: 0 done; 1 done, needs attention; 2 usage; 3 configuration, schema or input;
4 credentials; 5 database unreachable; 6 API unreachable; 7 already running;
8 disk, path or port; 70 a bug; 130, 143 signalled.
"""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, from `VERBS`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in their order."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported, with the global options added."""
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return with_globals(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of verbs from the static table."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb; an unknown one gets a suggestion."""
        name = args[0]
        if name not in VERBS and not name.startswith("-") and not ctx.resilient_parsing:
            near = difflib.get_close_matches(name, VERBS, n=1, cutoff=0.5)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise click.UsageError(f'there is no verb "{name}"{hint}', ctx=ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """The verbs and options that begin so; none of them is imported for it."""
        verbs = [
            CompletionItem(name, help=verb.help)
            for name, verb in VERBS.items()
            if name.startswith(incomplete)
        ]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)


def _note_option(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep a global option, wherever it stood; the last one wins."""
    if value is not None and value is not False:
        setattr(ctx.ensure_object(Context), str(parameter.name), value)


def _print_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        click.echo(f"noggin-mp {noggin_mp.__version__}")
        ctx.exit()


def _globals(*, hidden: bool) -> list[click.Option]:
    """The options that may stand before or after the verb."""

    def option(*names: str, **given: Any) -> click.Option:
        kwargs: dict[str, Any] = {"callback": _note_option, "expose_value": False}
        return click.Option(names, **(kwargs | {"is_eager": True, "hidden": hidden} | given))

    return [
        option("-c", "--config", type=click.Path(path_type=Path), metavar="FILE",
               help="Configuration; else NOGGIN_CONFIG, config/noggin.yaml, /etc/noggin-mp/."),
        option("--json", is_flag=True, help="Print JSON, errors too."),
        option("-q", "--quiet", is_flag=True, help="No messages but errors."),
        option("-v", "--verbose", is_flag=True, help="Tracebacks and more detail."),
        option("--no-color", is_flag=True, help="No colours (as NO_COLOR does)."),
        option("--version", is_flag=True, callback=_print_version, help="Print the version."),
    ]  # fmt: skip


def with_globals(command: click.Command) -> click.Command:
    """The command, and all below it, accepting the global options too (not listed in its help)."""
    taken = {name for parameter in command.params for name in parameter.opts}
    for option in _globals(hidden=True):
        if not taken.intersection(option.opts):
            command.params.append(option)
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_globals(inner)
    return command


root = LazyGroup(
    name="noggin-mp",
    help="Extract inspection records and photos from the Noggin API with a supervised fleet.",
    epilog=EPILOG,
    params=list(_globals(hidden=False)),
    no_args_is_help=True,
    subcommand_metavar="VERB [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code. A command may return an int as its exit code."""
    state = Context()
    try:
        _catch_term()
        _own_children()
        _guard_service(arguments)
        warnings.showwarning = _show_warning
        with root.make_context("noggin-mp", list(arguments), obj=state) as ctx:
            result = root.invoke(ctx)
        sys.stdout.flush()
        return result if isinstance(result, int) and not isinstance(result, bool) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return errors.USAGE
    except click.exceptions.Exit as end:
        return end.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        words = _before_separator(arguments)
        return errors.report(
            error,
            as_json=state.json or "--json" in words,
            verbose=state.verbose or bool({"-v", "--verbose"} & set(words)),
        )


def entry() -> NoReturn:
    """The command line of this process; also what a shell asks when Tab is pressed."""
    _keep_others_out()
    asked = os.environ.get(COMPLETE)
    if asked:
        sys.exit(shell_complete(root, {"obj": Context()}, "noggin-mp", COMPLETE, asked))
    code = errors.settled(run(sys.argv[1:]))
    gc.freeze()  # else the interpreter searches all we imported for garbage, for 0.1 s, and exits
    sys.exit(code)


def _keep_others_out() -> None:
    """Nothing that we or our children make may be written by just anybody, whatever the umask.

    Of the group and of who may read it is said what it was: some share the output by a group.
    """
    os.umask(os.umask(stat.S_IRWXG | stat.S_IRWXO) | stat.S_IWOTH)


def _before_separator(arguments: Sequence[str]) -> list[str]:
    """The words that are ours: what stands behind `--` is passed on."""
    words = list(arguments)
    return words[: words.index("--")] if "--" in words else words


def _catch_term() -> None:
    """Unwind on SIGTERM, so that a command puts its things away; fleets set their own handlers."""
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def _own_children() -> None:
    """Whoever started us may ignore the end of children, and we inherit that: none could be waited
    for, and every program that we run would seem to have ended well."""
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _guard_service(arguments: Sequence[str]) -> None:
    """While a service still starts: a reload must not end it, supervisord's end must."""
    if not _SERVICES.intersection(_before_separator(arguments)):
        return
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if os.environ.get("SUPERVISOR_ENABLED"):
        from noggin_mp.supervisor import kernel

        kernel.drain_with_supervisord()


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Tell a warning as a sentence; where in the code it was raised helps nobody here."""
    if category.__module__.partition(".")[0] == "noggin_mp":
        click.echo(f"noggin-mp: warning: {message}", err=True)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise errors.Terminated
