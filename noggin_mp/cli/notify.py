"""`notify test`: does a message get through?"""

import dataclasses

import click

from noggin_mp.cli.context import Context, pass_context


@click.group(epilog="\b\nExamples:\n  noggin-mp notify test\n  noggin-mp notify test --slack\n")
def notify() -> None:
    """Messages to people, by e-mail and Slack."""


@notify.command(
    epilog="\b\nExamples:\n  noggin-mp notify test\n  noggin-mp notify test --email --json\n"
)
@click.option("--email", is_flag=True, help="Only by e-mail.")
@click.option("--slack", is_flag=True, help="Only by Slack.")
@pass_context
def test(ctx: Context, email: bool, slack: bool) -> int:
    """Send a test message through each channel that is set up, and tell what became of it.

    Exit code 1 when one of them failed, 3 when none is set up.
    """
    from noggin_mp.gateway.outgoing import Message
    from noggin_mp.monitor import channels

    names = [name for name, wanted in (("email", email), ("slack", slack)) if wanted]
    found = channels.chosen(ctx.settings.notify, names)
    host = ctx.settings.fleet.host
    text = (
        f"This is a test from noggin-mp on host {host}. If you can read it, reports and notices"
        " get through."
    )
    message = Message(subject=f"[noggin-mp] test from {host}", text=text, brief=text)
    deliveries = channels.deliver(found, message)
    lines = [
        f"{one.channel + ':':<7} {'ok: ' if one.ok else 'failed: '}{one.told}"
        + (f"; {one.remedy}" if one.remedy and not one.ok else "")
        for one in deliveries
    ]
    ctx.emit({"deliveries": [dataclasses.asdict(one) for one in deliveries]}, "\n".join(lines))
    return int(any(not one.ok for one in deliveries))
