"""`--breaker`, `--breaker-role` and `--breaker-defaults`, for every verb that reads the policy."""

from typing import Final

import click

from noggin_mp.cli import shared
from noggin_mp.cli.context import Context

OPTIONS: Final = (
    ("--breaker-defaults", "breaker_defaults", "KEY:VALUE,...", "Breaker policy of every host."),
    ("--breaker", "breaker_hosts", "HOST=KEY:VALUE,...", "Breaker policy of one host."),
    (
        "--breaker-role",
        "breaker_roles",
        "HOST:ROLE=KEY:VALUE,...",
        "The same for one role: api or media.",
    ),
)


def _keep(ctx: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> None:
    setattr(ctx.ensure_object(Context), str(parameter.name), value)


layered = shared.options(
    *(
        click.option(
            option,
            name,
            multiple=True,
            metavar=form,
            help=f"{text} Repeatable.",
            callback=_keep,
            expose_value=False,
        )
        for option, name, form, text in OPTIONS
    )
)
"""A decorator: the command takes the breaker's options, over the file and the environment."""


def tell_strays(ctx: Context) -> None:
    """Note each form that is about a host nothing is asked of: a typing mistake, most likely."""
    from noggin_mp.settings import breaker_forms

    for note in ctx.loaded.notes:
        if breaker_forms.from_forms(note.file):
            ctx.note(str(note))
