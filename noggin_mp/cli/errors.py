"""Errors at the edge: one sentence on stderr, or JSON on stdout, and the exit code of the class."""

import sys
import traceback
from typing import Any

import click

from noggin_mp.cli import context, streams
from noggin_mp.domain import errors, redaction

USAGE, BUG, INTERRUPTED, TERMINATED, PIPE_CLOSED = 2, 70, 130, 143, 141


class Terminated(BaseException):
    """SIGTERM arrived; unwinds like KeyboardInterrupt, so that everything is put away."""


def report(error: BaseException, *, as_json: bool = False, verbose: bool = False) -> int:
    """Tell the person (or the program) what happened; the exit code to end with."""
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return _tell_signal("interrupted", INTERRUPTED)
    if isinstance(error, Terminated):
        return _tell_signal("terminated", TERMINATED)
    if isinstance(error, BrokenPipeError):
        streams.abandon(sys.stdout)
        return PIPE_CLOSED
    if isinstance(error, click.ClickException):
        return _tell(_usage(error), USAGE, as_json=as_json)
    known = _known(error)
    if isinstance(error, OSError) and (failure := streams.unwritable(sys.stdout)):
        known = streams.trouble(failure)
    if verbose:
        _write_error(redaction.scrub("".join(traceback.format_exception(error)).rstrip()))
    return _tell(_described(known), known.exit_code, as_json=as_json)


def _known(error: BaseException) -> errors.NogginError:
    """The error as one of our tree; what is none is a bug."""
    if isinstance(error, errors.NogginError):
        return error
    if isinstance(error, OSError) and error.errno in streams.NO_SPACE:
        where = f" at {error.filename}" if error.filename else ""
        return errors.DiskFull(f"no space left on the device{where}", remedy="free some space")
    text = " ".join(redaction.scrub(f"{type(error).__name__}: {error}").split())
    return errors.NogginError(
        f"this is a bug in noggin-mp: {text[:500]}",
        remedy="run it again with -v and report the traceback",
    )


def settled(code: int) -> int:
    """The exit code, with nothing left that the interpreter would stumble over when it ends."""
    failure = streams.unwritable(sys.stdout)
    if failure is not None:
        streams.abandon(sys.stdout)
        if code == 0:
            known = streams.trouble(failure)
            code = _tell(_described(known), known.exit_code, as_json=False)
    if streams.unwritable(sys.stderr):
        streams.abandon(sys.stderr)
    return code


def _described(error: errors.NogginError) -> dict[str, Any]:
    described: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "remedy": error.remedy,
        "problems": [],
    }
    if isinstance(error, errors.ConfigError):
        described["problems"] = [
            {name: getattr(problem, name) for name in type(problem).__dataclass_fields__}
            for problem in error.problems
        ]
    return described


def _usage(error: click.ClickException) -> dict[str, Any]:
    message = " ".join(error.format_message().split()).rstrip(".")
    where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
    remedy = f"see {where or 'noggin-mp'} --help"
    return {
        "code": "usage",
        "message": message[:1].lower() + message[1:],
        "remedy": remedy,
        "problems": [],
    }


def _tell(described: dict[str, Any], exit_code: int, *, as_json: bool) -> int:
    if as_json:
        try:
            click.echo(context.dumps({"error": described | {"exit_code": exit_code}}))
            return exit_code
        except BrokenPipeError:
            streams.abandon(sys.stdout)
            return exit_code
        except OSError:  # nobody will read it there
            streams.abandon(sys.stdout)
    _write_error(_sentence(described))
    return exit_code


def _sentence(described: dict[str, Any]) -> str:
    """The sentence, then one line for each problem that it does not tell already."""
    text = f"noggin-mp: {described['message']}"
    if described["remedy"] and described["remedy"] not in text:
        text += (" " if text.endswith("?") else "; ") + described["remedy"]
    problems = [str(errors.Problem(**problem)) for problem in described["problems"]]
    return "\n  ".join([text, *(problem for problem in problems if problem not in text)])


def _tell_signal(word: str, exit_code: int) -> int:
    _write_error(f"noggin-mp: {word}")
    return exit_code


def _write_error(text: str) -> None:
    try:
        click.echo(text, err=True)
    except (OSError, ValueError):  # nobody reads stderr any more, or its disk is full
        return
