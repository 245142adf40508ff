"""`report daily` and `report range`: what happened, written down or sent."""

import dataclasses
import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click

from noggin_mp.cli import context, database, outfile, report_text, shared
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors, periods
from noggin_mp.domain import report as domain

_STATEMENT_TIMEOUT_S: Final = 300.0
_EXAMPLES: Final = """\b
Examples:
  noggin-mp report daily
  noggin-mp report daily --day yesterday --send
  noggin-mp report range --from 2025-10-01 --to 2025-10-31 --format html --out october.html
"""


def _day(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """An option's callback: a day as people write it, checked; the zone is known later."""
    if value is None or value in ("today", "yesterday"):
        return value
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is no day: write 2025-10-23, today or yesterday"
        ) from None


_output = shared.options(
    click.option("--format", "form", type=click.Choice(("text", "json", "html")),
                 help="text, json or html; text if not given, or by the name of --out."),
    click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
                 help="Write it to FILE, whole or not at all, instead of stdout."),
    click.option("--send", is_flag=True, help="Send it by e-mail and Slack, as configured."),
)  # fmt: skip
"""The options that say how a report is given, shared by its verbs."""


@click.group(epilog=_EXAMPLES)
def report() -> None:
    """What happened in a day or a longer time."""


@report.command(epilog=_EXAMPLES)
@click.option("--day", callback=_day, default="today", show_default=True, metavar="DAY",
              help="2025-10-23, today (so far) or yesterday, in `timezone`.")  # fmt: skip
@_output
@pass_context
def daily(ctx: Context, day: str, form: str | None, out: Path | None, send: bool) -> int:
    """One day: records, attachments, errors, stops, throughput by hour; and how things stand now.

    Exit code 1 when it could not be sent everywhere; it is written all the same.
    """
    one = _meant(ctx, day)
    return _report(ctx, "daily report", one, one, form, out, send=send)


@report.command(name="range", epilog=_EXAMPLES)
@click.option("--from", "first", callback=_day, required=True, metavar="DAY", help="First day.")
@click.option("--to", "last", callback=_day, default="today", show_default=True, metavar="DAY",
              help="Last day, included.")  # fmt: skip
@_output
@pass_context
def range_(
    ctx: Context, first: str, last: str, form: str | None, out: Path | None, send: bool
) -> int:
    """Several days, by hour up to three days and by day beyond."""
    return _report(ctx, "report", _meant(ctx, first), _meant(ctx, last), form, out, send=send)


def _meant(ctx: Context, day: str) -> date:
    today = datetime.now(ctx.settings.zone).date()
    if day in ("today", "yesterday"):
        return today - timedelta(days=int(day == "yesterday"))
    return date.fromisoformat(day)


def _report(
    ctx: Context,
    title: str,
    first: date,
    last: date,
    form: str | None,
    out: Path | None,
    *,
    send: bool,
) -> int:
    try:
        period = periods.period(first, last, ctx.settings.zone)
    except (ValueError, OverflowError) as error:
        raise errors.UsageError(f"the period cannot be reported: {error}") from None
    ways = []
    if send:
        from noggin_mp.monitor import channels

        ways = channels.chosen(ctx.settings.notify)
    made = _made(ctx, title, period)
    form = _form(ctx, form, out)
    deliveries = []
    if out is not None:
        with outfile.opened(out) as file:
            file.write((_written(made, form) + "\n").encode("utf-8"))
        ctx.note(f"wrote {out}")
    elif not ctx.json:
        click.echo(_written(made, form))
    if send:
        deliveries = channels.deliver(ways, message(made))
        for one in deliveries:
            remedy = f"; {one.remedy}" if one.remedy else ""
            ctx.note(f"{one.channel}: {'' if one.ok else 'not sent: '}{one.told}{remedy}")
    if ctx.json:
        told = [dataclasses.asdict(one) for one in deliveries]
        file_name = {} if out is None else {"out": str(out)}
        ctx.emit({**as_data(made), **file_name, "deliveries": told}, "")
    return int(any(not one.ok for one in deliveries))


def _made(ctx: Context, title: str, period: periods.Period) -> domain.Report:
    from noggin_mp.store import reporting

    now = datetime.now(UTC)
    with database.opened(ctx, "report", timeout_s=_STATEMENT_TIMEOUT_S) as connection:
        numbers = reporting.numbers(
            connection, period, now=now, disk=_disk(ctx.settings.paths.output)
        )
    return domain.build(
        numbers,
        period,
        title=title,
        zone=ctx.settings.timezone,
        host=ctx.settings.fleet.host,
        made_at=now,
    )


def _disk(folder: Path) -> tuple[int, int] | None:
    """Free and all bytes where output goes, or of the nearest folder above that exists."""
    for place in (folder, *folder.parents):
        try:
            usage = shutil.disk_usage(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return usage.free, usage.total
    return None


def _form(ctx: Context, form: str | None, out: Path | None) -> str:
    if form is not None:
        return form
    named = {".html": "html", ".htm": "html", ".json": "json"}
    return named.get(out.suffix.lower() if out else "", "json" if ctx.json else "text")


def _written(made: domain.Report, form: str) -> str:
    if form == "json":
        return context.dumps(as_data(made))
    if form == "html":
        from noggin_mp.cli import report_html  # jinja2 takes its time

        return report_html.html(made)
    return report_text.text(made)


def as_data(made: domain.Report) -> dict[str, Any]:
    """The report as plain data: the same numbers as the text, under the names of the program."""
    numbers = dataclasses.asdict(made.numbers)
    for counted_elsewhere in ("settled", "files", "requests"):
        del numbers[counted_elsewhere]
    now = numbers.pop("now")
    return {
        "title": made.title,
        "from": made.period.first,
        "to": made.period.last,
        "start": made.period.start,
        "end": made.period.end,
        "hours": made.period.hours,
        "zone": made.zone,
        "host": made.host,
        "made_at": made.made_at,
        "unfinished": made.unfinished,
        "totals": {**made.totals, "finished": made.finished},
        "types": made.types,
        "parts": [dataclasses.asdict(one) for one in made.parts],
        "attachments": {
            "files": made.files, "size_bytes": made.size_bytes, "download_s": made.download_s,
        },
        "requests": made.requests,
        **numbers,
        "now": {**now, "eta_s": made.numbers.now.eta_s},
        "notes": list(made.notes),
    }  # fmt: skip


def message(made: domain.Report) -> Any:
    """The report as a message: text, HTML, and both the page and the numbers attached."""
    from noggin_mp.cli import report_html
    from noggin_mp.gateway.outgoing import Attachment, Message

    name = f"noggin-mp-{made.title.replace(' ', '-')}-{made.period.name.replace(' ', '-')}"
    html = report_html.html(made)
    numbers = json.dumps(json.loads(context.dumps(as_data(made))), indent=2, ensure_ascii=False)
    return Message(
        subject=f"[noggin-mp] {made.headline}",
        text=report_text.text(made),
        brief=report_text.brief(made),
        html=html,
        attachments=(
            # Mail programs leave out drawings: the page shows its charts in a browser.
            Attachment(filename=f"{name}.html", maintype="text", subtype="html", content=html),
            Attachment(
                filename=f"{name}.json", maintype="application", subtype="json", content=numbers
            ),
        ),
    )
