"""`--for 300`: a length of time as people write it."""

import re
from typing import Final

import click

METAVAR: Final = "TIME"
MAX_S: Final = 366 * 86_400
_TIME: Final = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([smhd]?)")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    """An option's callback: seconds (300) or a number with its unit (90s, 15m, 2h, 1d)."""
    if value is None:
        return None
    match = _TIME.fullmatch(value.strip().lower())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < seconds <= MAX_S:
        raise click.BadParameter(
            f"{value!r} is no length of time: write seconds (300) or 90s, 15m, 2h, 1d,"
            " more than 0 and at most 366d"
        )
    return seconds


def text(seconds: float | None) -> str:
    """A length of time in words; None is one without a known end."""
    if seconds is None:
        return "until further notice"
    return f"for {seconds:g} s"
