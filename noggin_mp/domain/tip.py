"""A TIP, its statuses, and the table of legal moves; an unlisted move raises."""

from enum import StrEnum
from typing import NewType

Tip = NewType("Tip", str)
LeaseToken = NewType("LeaseToken", int)

MAX_TIP_CHARS = 64


class Status(StrEnum):
    """`noggin_data.processing_status`, as operators know it."""

    PENDING = "pending"
    API_SUCCESS = "api_success"
    COMPLETE = "complete"
    PARTIAL = "partial"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    API_FAILED = "api_failed"
    NOT_FOUND = "not_found"
    SKIPPED = "skipped"


DUE = frozenset(
    {
        Status.PENDING,
        Status.FAILED,
        Status.INTERRUPTED,
        Status.PARTIAL,
        Status.API_FAILED,
        Status.API_SUCCESS,
    }
)
"""A TIP in one of these, and not permanently failed, waits for work (now or at next_retry_at)."""

# What a worker's settle may write over what it leased. Operators may write anything at any time.
_SETTLED = frozenset(
    {
        Status.API_SUCCESS,
        Status.COMPLETE,
        Status.PARTIAL,
        Status.FAILED,
        Status.API_FAILED,
        Status.NOT_FOUND,
    }
)
_MOVES: dict[Status, frozenset[Status]] = {status: _SETTLED for status in DUE}


class IllegalMove(ValueError):
    """A status change that the table does not list."""


def check_settle(old: Status, new: Status) -> Status:
    """`new`, when a worker may settle a TIP it leased in `old` as `new`.

    Raises: IllegalMove.
    """
    if new not in _MOVES.get(old, frozenset()):
        raise IllegalMove(f"a TIP in {old} cannot be settled as {new}")
    return new


def is_tip(text: str) -> bool:
    """True for 1-64 printable characters without a slash or white space.

    Source: the API contract; a TIP is normally 64 lower-case hex characters, but never insist.
    """
    return (
        1 <= len(text) <= MAX_TIP_CHARS
        and text.isprintable()  # which leaves the plain space as the only white space
        and "/" not in text
        and " " not in text
    )
