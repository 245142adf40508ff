"""The reference of the commands, from the commands: `python -m tests.support.cli_reference`.

It prints docs/reference/cli.md; a test keeps the page equal to it.
"""

import sys
from collections.abc import Iterator

import click

from noggin_mp.cli import main

HEAD = """\
# Commands

The console script is `noggin-mp`; `python -m noggin_mp` is the same. Data goes to stdout, messages
to stderr. What each exit code means is told in [exit codes](exit-codes.md).

This page is generated: `python -m tests.support.cli_reference > docs/reference/cli.md`.
"""


def page() -> str:
    """The whole page."""
    parts = [
        HEAD,
        _section("Global options", "They may stand before or after the verb.", main.root),
    ]
    for name, command in verbs():
        parts.append(_section(f"`{name}`", _paragraphs(command.help), command, name=name))
    return "\n".join(parts)


def verbs() -> Iterator[tuple[str, click.Command]]:
    """Every verb and what is below it, by the words one types, in the order of `--help`."""
    yield from _below(main.root, "noggin-mp")


def options(command: click.Command) -> list[click.Option]:
    """The options of a command that its help shows."""
    return [one for one in command.params if isinstance(one, click.Option) and not one.hidden]


def _below(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _below(command, f"{path} {name}")


def _section(title: str, text: str, command: click.Command, *, name: str = "") -> str:
    context = click.Context(command, info_name=name)
    lines = [f"## {title}", "", text, ""]
    if name:
        pieces = [piece for piece in command.collect_usage_pieces(context) if piece]
        lines += ["```text", " ".join([name, *pieces]), "```", ""]
    shown = [one for one in options(command) if one.name != "help"]
    if shown:
        lines += ["| option | meaning |", "|---|---|"]
        lines += [_row(one, context) for one in shown]
        lines.append("")
    if name and command.epilog:
        lines += ["```text", _epilog(command.epilog), "```", ""]
    return "\n".join(lines)


def _row(option: click.Option, context: click.Context) -> str:
    record = option.get_help_record(context)
    assert record is not None
    names, meaning = (" ".join(text.split()).replace("|", r"\|") for text in record)
    return f"| `{names}` | {meaning} |"


def _paragraphs(text: str | None) -> str:
    plain = (text or "").replace("\b", "").strip()
    return "\n\n".join(" ".join(part.split()) for part in plain.split("\n\n"))


def _epilog(text: str) -> str:
    parts = [part.strip("\b\n") for part in text.split("\n\n")]
    return "\n\n".join(part for part in parts if part.strip())


if __name__ == "__main__":
    sys.stdout.write(page())
