"""What an answer to a token's test request says of the token."""

import pytest

from noggin_mp.domain import outcome
from noggin_mp.worker import exams

KIND = outcome.Kind


@pytest.mark.parametrize(
    ("expected", "kind", "status", "known"),
    [
        ("success", KIND.SUCCESS, 200, True),
        ("refused", KIND.AUTH, 401, False),
        ("refused", KIND.CLIENT_ERROR, 403, True),
        ("success", KIND.CLIENT_ERROR, 403, False),  # it may be forbidden for its own sake
        ("success", KIND.CLIENT_ERROR, 451, True),
        ("success", KIND.NOT_FOUND, 404, True),
        ("inconclusive", KIND.SERVER_ERROR, 500, True),
        ("inconclusive", KIND.TIMEOUT, None, True),
        ("inconclusive", KIND.CONNECT, None, True),
        ("inconclusive", KIND.BAD_CONTENT, 200, True),
        ("inconclusive", KIND.RATE_LIMITED, 429, True),
    ],
)
def test_result_tells_a_refused_token_from_other_answers(
    expected: str, kind: outcome.Kind, status: int | None, known: bool
) -> None:
    attempt = outcome.Attempt(kind=kind, role=outcome.Role.API, reason="x", status=status)
    assert exams.result(attempt, known=known) == expected
