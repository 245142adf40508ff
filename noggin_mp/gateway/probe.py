"""One request made to learn something about the API and the token, not for its record."""

import datetime
import email.utils
from dataclasses import dataclass
from typing import Final

from noggin_mp.domain import outcome
from noggin_mp.gateway import exchanges, http, objects, reasons, urls

MADE_UP_TIP: Final = "0" * 64
"""The TIP asked for when no record is known: an API that takes the token answers 404."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one request came to; `date` is the API's clock, when it told it."""

    attempt: outcome.Attempt
    date: datetime.datetime | None


def ask(client: http.Client, *, endpoint: str, tip: str = MADE_UP_TIP) -> Answer:
    """The outcome of one GET of an object, by one attempt.

    Raises: errors.CredentialsError, errors.LocalTrouble; remote trouble is a value.
    """
    target = urls.object_url(client.base, endpoint=endpoint, tip=tip)
    exchange = client.exchange(outcome.Role.API)
    try:
        with exchange:
            exchange.open(target, accept="application/json")
            objects.parse(objects.read(exchange), tip=tip)
        attempt = exchange.succeeded()
    except reasons.Broken as broken:
        attempt = exchange.failed(broken)
    return Answer(attempt=attempt, date=_date(exchange))


def _date(exchange: exchanges.Exchange) -> datetime.datetime | None:
    """The Date header as a time; None for none, or one that makes no sense."""
    try:
        return email.utils.parsedate_to_datetime(exchange.date or "")
    except ValueError:
        return None
