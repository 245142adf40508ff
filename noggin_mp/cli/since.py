"""`--since 24h`: a point in time as people write it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

METAVAR: Final = "AGE|DATE"
_AGE: Final = re.compile(r"(\d{1,6})\s*(s|m|h|d|w)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    """An option's callback: an age (90s, 15m, 24h, 7d, 2w) or a date, as an aware time.

    A date without a zone is UTC.
    """
    if value is None:
        return None
    text = value.strip().lower()
    if match := _AGE.fullmatch(text):
        return datetime.now(UTC) - timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is neither an age such as 15m, 24h, 7d nor a date such as 2025-10-23"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
