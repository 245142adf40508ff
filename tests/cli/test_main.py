"""The command line's frame: verbs, global options, errors and exit codes."""

import errno
import importlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

import noggin_mp
from noggin_mp.cli import context, main
from noggin_mp.domain import errors

Run = Callable[..., tuple[int, str, str]]
RAISED: list[BaseException] = []


@click.command(epilog="\b\nExamples:\n  noggin-mp probe\n")
@click.option("--count", type=int, default=1)
@click.argument("words", nargs=-1)
@context.pass_context
def probe(ctx: context.Context, count: int, words: tuple[str, ...]) -> int:
    """Says what it was given."""
    if RAISED:
        raise RAISED.pop()
    ctx.note("a note")
    ctx.emit(
        {"config": ctx.config, "quiet": ctx.quiet, "verbose": ctx.verbose, "words": words},
        lambda: f"{count} {' '.join(words)} color={ctx.color}",
    )
    return count - 1


@click.group()
def family() -> None:
    """A verb with verbs."""


family.add_command(probe, "inner")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setitem(main.VERBS, "probe", main.Verb(f"{__name__}:probe", "Says."))
    monkeypatch.setitem(main.VERBS, "family", main.Verb(f"{__name__}:family", "Verbs."))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main.run(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


@pytest.mark.parametrize("verb", sorted(main.VERBS))
def test_every_listed_verb_can_be_imported_and_has_help(verb: str, run: Run) -> None:
    module, _, attribute = main.VERBS[verb].target.partition(":")
    assert isinstance(getattr(importlib.import_module(module), attribute), click.Command)

    code, out, _ = run(verb, "--help")

    assert code == 0
    assert "Examples:" in out, f"{verb} --help shows no examples"


def test_help_lists_verbs_without_importing_them() -> None:
    code = (
        "import sys; from noggin_mp.cli import main; assert main.run(['--help']) == 0;"
        "heavy = {'pydantic', 'psycopg', 'rich', 'yaml', 'structlog', 'prometheus_client',"
        " 'urllib3', 'requests', 'jinja2', 'starlette'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    for verb, (_, text) in main.VERBS.items():
        assert verb in done.stdout
        assert text in done.stdout


def test_help_goes_to_stderr_with_usage_code_when_no_verb_is_given(run: Run) -> None:
    code, out, err = run()

    assert (code, out) == (2, "")
    assert "Usage: noggin-mp" in err


@pytest.mark.parametrize("arguments", [["--version"], ["probe", "--version"], ["-v", "--version"]])
def test_version_is_printed_when_asked_anywhere(run: Run, arguments: list[str]) -> None:
    assert run(*arguments) == (0, f"noggin-mp {noggin_mp.__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "f.yaml", "--json", "-q", "-v", "probe", "a"],
        ["probe", "-c", "f.yaml", "--json", "-q", "-v", "a"],
        ["probe", "a", "-c", "f.yaml", "--json", "-qv"],
        ["--json", "-c", "g.yaml", "probe", "-cf.yaml", "a", "-v", "--quiet"],
        ["family", "-c", "f.yaml", "inner", "--json", "a", "-v", "-q"],
        ["-q", "family", "--json", "-v", "inner", "a", "--config", "f.yaml"],
    ],
)
def test_global_options_count_when_before_or_after_the_verb(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)

    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "schema_version": 1, "config": "f.yaml", "quiet": True, "verbose": True, "words": ["a"],
    }  # fmt: skip


def test_data_goes_to_stdout_and_notes_to_stderr(run: Run) -> None:
    assert run("probe", "a", "b") == (0, "1 a b color=False\n", "a note\n")


def test_words_behind_the_separator_are_left_alone(run: Run) -> None:
    code, out, _ = run("probe", "--", "--json", "-c")

    assert (code, out) == (0, "1 --json -c color=False\n")


def test_a_returned_number_is_the_exit_code(run: Run) -> None:
    assert run("probe", "--count", "5")[0] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prob"], 'there is no verb "prob"; did you mean "probe"? see noggin-mp --help'),
        (["zzzzzz"], 'there is no verb "zzzzzz"; see noggin-mp --help'),
        (["probe", "--cuont", "1"], "no such option '--cuont'"),
        (["probe", "--count", "x"], "'x' is not a valid integer; see noggin-mp probe --help"),
        (["family", "iner"], "no such command 'iner'"),
        (["--bogus"], "no such option '--bogus'"),
    ],
)
def test_usage_errors_end_with_2_and_one_line(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run(*arguments)

    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("noggin-mp: ")
    assert err.count("\n") == 1

    code, out, err = run(*arguments, "--json")
    assert (code, err) == (2, "")
    told = json.loads(out)
    assert told["schema_version"] == 1
    assert told["error"]["code"] == "usage"


TREE = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.NogginError)
]


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_errors_end_with_the_code_of_their_class(run: Run, kind: type[errors.NogginError]) -> None:
    RAISED.append(kind("the thing broke", remedy="mend it"))
    code, out, err = run("probe")
    assert (code, out, err) == (kind.exit_code, "", "noggin-mp: the thing broke; mend it\n")

    RAISED.append(kind("the thing broke", remedy="mend it"))
    code, out, err = run("probe", "--json")
    assert (code, err) == (kind.exit_code, "")
    assert json.loads(out) == {
        "schema_version": 1,
        "error": {
            "code": kind.code, "message": "the thing broke", "remedy": "mend it", "problems": [],
            "exit_code": kind.exit_code,
        },
    }  # fmt: skip


def test_problems_are_listed_when_the_sentence_does_not_tell_them(run: Run) -> None:
    problem = errors.Problem(file="f", line=3, message="bad", remedy="mend it")
    RAISED.append(errors.ConfigError("two things are wrong", problems=(problem, problem)))
    _, _, err = run("probe")
    assert err == "noggin-mp: two things are wrong\n  f:3: bad; mend it\n  f:3: bad; mend it\n"

    RAISED.append(errors.ConfigError(str(problem), problems=(problem,)))
    _, _, err = run("probe")
    assert err == "noggin-mp: f:3: bad; mend it\n"


def test_a_bug_ends_with_70_and_a_traceback_only_when_verbose(run: Run) -> None:
    RAISED.append(TypeError("dsn postgresql://u:hush@h/d"))
    code, out, err = run("probe")
    assert (code, out) == (70, "")
    assert "TypeError: dsn postgresql://u:***@h/d" in err
    assert "Traceback" not in err

    RAISED.append(TypeError("dsn postgresql://u:hush@h/d"))
    code, _, err = run("probe", "-v")
    assert code == 70
    assert "Traceback" in err
    assert "hush" not in err


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (OSError(errno.ENOSPC, "No space left", "/out"), 8),
        (SystemExit(3), 3),
        (SystemExit(), 0),
        (click.exceptions.Exit(1), 1),
    ],
)
def test_other_ends_have_their_codes(run: Run, raised: BaseException, code: int) -> None:
    RAISED.append(raised)

    assert run("probe")[0] == code


def test_colour_is_off_when_asked_by_option_or_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = context.Context()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert made.color
    made.no_color = True
    assert not made.color
    made.no_color = False
    monkeypatch.setenv("NO_COLOR", "1")
    assert not made.color


def test_dumps_turns_things_into_plain_json(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    data: dict[str, Any] = {"at": datetime(2025, 1, 2, tzinfo=UTC), "p": Path("/a"), "s": {2, 1}}

    assert json.loads(context.dumps(data)) == {
        "schema_version": 1, "at": "2025-01-02T00:00:00+00:00", "p": "/a", "s": [1, 2],
    }  # fmt: skip
