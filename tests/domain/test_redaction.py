"""What is masked, and what is left alone."""

import pytest

from noggin_mp.domain import redaction


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://u:pw@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgresql://u:p@ss/w:rd@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("https://h/a?b=c", "https://h/a?b=c"),
        ("host=h password=pw dbname=d", "host=h password=*** dbname=d"),
        ("host=h password='p w\\'x' dbname=d", "host=h password=*** dbname=d"),
        ("postgresql://h/d?password=pw&x=1", "postgresql://h/d?password=***&x=1"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer ***"),
        ("the bearer is here", "the bearer is here"),
        ("known hush and hush", "known *** and ***"),
    ],
)
def test_scrub_masks_secrets_and_nothing_else(text: str, expected: str) -> None:
    assert redaction.scrub(text, ["hush", ""]) == expected


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("token", True), ("api_token", True), ("Authorization", True), ("db-password", True),
        ("NOGGIN_TOKEN", True), ("tokens", True), ("credential", True), ("api_key", True),
        ("webhook_url", True), ("SLACK_WEBHOOK_URL", True), ("webhook_url_file", False),
        ("token_file", False), ("tip", False), ("namespace", False), ("keyboard", False),
    ],
)  # fmt: skip
def test_is_secret_name_knows_secrets_by_their_names(name: str, secret: bool) -> None:
    assert redaction.is_secret_name(name) is secret
