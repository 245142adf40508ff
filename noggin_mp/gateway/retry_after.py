"""`Retry-After`, read as tolerantly as servers write it."""

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]{1,40}(\.[0-9]{0,40})?")


def parse(value: str | None, *, date: str | None, now: datetime) -> float | None:
    """Seconds to wait, or None when the header is absent or unusable.

    Fractions round up; a negative or nonsensical value is unusable; a huge one is kept, because
    clamping is the policy's business. An HTTP date counts from the answer's own `Date` header
    where there is one (the server's clock may be wrong, but it is wrong in both), else from `now`.
    Source: RFC 9110, 10.2.3.
    """
    if value is None:
        return None
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return float(math.ceil(float(text)))
    moment = _moment(text)
    if moment is None:
        return None
    delay = (moment - (_moment(date) or now)).total_seconds()
    return float(math.ceil(delay)) if delay >= 0 else None


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text.strip())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
