"""When a token expires, as it says itself."""

import base64
import json

import pytest

from noggin_mp.domain import tokens


def jwt(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJub25lIn0.{body}.c2ln"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (jwt({"exp": 1_800_000_000}), 1_800_000_000.0),
        (jwt({"exp": 1_800_000_000.5, "sub": "\u00ff\u00fe?>"}), 1_800_000_000.5),
        (jwt({"sub": "nobody"}), None),
        (jwt({"exp": "1800000000"}), None),
        (jwt({"exp": True}), None),
        (jwt({"exp": -5}), None),
        (jwt({"exp": 1e300}), None),
        (jwt({"exp": float("nan")}), None),
        (jwt([1]), None),
        ("opaque", None),
        ("a.b", None),
        ("a.b.c.d", None),
        ("a.\u00e9.c", None),
        ("a.b!c.d", None),
        ("", None),
        ("a." + base64.urlsafe_b64encode(b"[" * 100_000).decode() + ".c", None),
    ],
)
def test_expires_at_reads_the_exp_claim_when_there_is_one(
    token: str, expected: float | None
) -> None:
    assert tokens.expires_at(token) == expected
