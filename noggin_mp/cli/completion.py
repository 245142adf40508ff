"""`completion`: the lines that make a shell complete verbs and options."""

import click
from click import shell_completion

from noggin_mp.cli.context import Context, pass_context

_SHELLS = ("bash", "zsh", "fish")
_WHERE = {
    "bash": "~/.local/share/bash-completion/completions/noggin-mp",
    "zsh": "a file _noggin-mp in a folder of $fpath",
    "fish": "~/.config/fish/completions/noggin-mp.fish",
}


@click.command(
    epilog="""\b
Examples:
  source <(noggin-mp completion bash)
  noggin-mp completion fish > ~/.config/fish/completions/noggin-mp.fish
"""
)
@click.argument("shell", type=click.Choice(_SHELLS))
@pass_context
def completion(ctx: Context, shell: str) -> None:
    """Print what a shell needs to complete noggin-mp's verbs and options; save or source it."""
    from noggin_mp.cli import main

    made = shell_completion.get_completion_class(shell)
    assert made is not None
    # Not source(): it starts a bash to ask for its version, and needs none to be there.
    script = shell_completion.ShellComplete.source(made(main.root, {}, "noggin-mp", main.COMPLETE))
    ctx.emit({"shell": shell, "script": script}, script.rstrip())
    if not ctx.json:
        ctx.note(f"# to keep it: {_WHERE[shell]}")
