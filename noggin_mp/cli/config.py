"""`config`: check, show, schema, reload."""

import json
from typing import Any

import click

from noggin_mp.cli import breaker_options, config_reload, reloading
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors


@click.group(
    epilog="""\b
Examples:
  noggin-mp config check
  noggin-mp -c noggin.yaml config show -v
  noggin-mp config schema > noggin.schema.json
  noggin-mp config check --diff && noggin-mp config reload
"""
)
def config() -> None:
    """Check, show and reload the configuration."""


config.add_command(config_reload.reload)


@config.command(
    epilog="\b\nExamples:\n  noggin-mp -c noggin.yaml config check --json\n"
    "  noggin-mp config check --diff\n"
)
@click.option("--diff", is_flag=True, help="Also tell what a reload of the running fleet would do.")
@breaker_options.layered
@pass_context
def check(ctx: Context, diff: bool) -> None:
    """Tell every fault of the configuration at once; exit 3 when there is one."""
    from noggin_mp.settings import catalogue

    loaded = ctx.loaded
    try:
        catalogue.read(loaded.settings)
    except errors.ConfigError as error:
        raise reloading.Rereading(ctx, catalogue.read).placed(error) from error
    files = [str(file) for file in loaded.files]
    notes = [
        {name: getattr(note, name) for name in type(note).__dataclass_fields__}
        for note in loaded.notes
    ]
    lines = [f"{' and '.join(files) or 'the defaults'}: no fault found"]
    lines += [f"note: {note}" for note in loaded.notes]
    data: dict[str, Any] = {"ok": True, "files": files, "notes": notes}
    if diff:
        data["diff"] = config_reload.difference(ctx)
        lines.append(config_reload.difference_text(data["diff"]))
    ctx.emit(data, "\n".join(lines))


@config.command(epilog="\b\nExamples:\n  noggin-mp config show\n  noggin-mp config show -v\n")
@breaker_options.layered
@pass_context
def show(ctx: Context) -> None:
    """The settings in effect, without secrets; with -v where each comes from."""
    from noggin_mp.settings import effective

    values = effective.values(ctx.loaded)
    data: dict[str, Any] = {
        "files": [str(file) for file in ctx.loaded.files],
        "settings": effective.nested(values),
        "origins": {value.name: value.origin for value in values},
    }
    ctx.emit(data, lambda: effective.text(values, origins=ctx.verbose))


@config.command(
    epilog="\b\nExamples:\n  noggin-mp config schema\n  noggin-mp config schema --markdown\n"
)
@click.option("--markdown", is_flag=True, help="The reference of every key, for people.")
@pass_context
def schema(ctx: Context, markdown: bool) -> None:
    """The JSON Schema of the configuration, for editors."""
    from noggin_mp.settings import reference

    if markdown:
        ctx.emit({"markdown": reference.markdown()}, reference.markdown().rstrip("\n"))
        return
    made = reference.json_schema()
    ctx.emit({"schema": made}, lambda: json.dumps(made, indent=2, ensure_ascii=False))
