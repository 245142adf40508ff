"""The section `notify`: what is refused, what is shown, where secrets come from."""

import json
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.domain import errors
from noggin_mp.settings import loader, notifying
from noggin_mp.settings.schema import Settings
from tests.support.command import Command

EMAIL = {"host": "mail.example.com", "from": "a@example.com", "to": ["b@example.com"]}
BOT = {"bot_token": "xoxb-x", "channel": "C1"}


def load(tmp_path: Path, env: dict[str, str] | None = None, **notify: Any) -> Settings:
    """Settings with this section."""
    file = tmp_path / "noggin.yaml"
    file.write_text(json.dumps({"notify": notify}))
    return loader.load(file, env=env or {})


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ({"email": {"host": "m"}}, "notify.email.from is not"),
        ({"email": EMAIL | {"to": []}}, "notify.email.to is not"),
        ({"email": EMAIL | {"to": ["", None]}}, "notify.email.to is not"),
        ({"email": EMAIL | {"to": ["nobody"]}}, "is no e-mail address"),
        ({"email": EMAIL | {"to": ["a@b.c\nBcc: d@e.f"]}}, "is no e-mail address"),
        ({"email": EMAIL | {"from": "A <a@b.c"}}, "is no e-mail address"),
        ({"email": EMAIL | {"security": "ssl"}}, "must be one of starttls, tls, none"),
        ({"email": EMAIL | {"port": 70_000}}, "at most 65535"),
        ({"email": EMAIL | {"security": "none", "password": "p"}}, "in the clear"),
        ({"email": EMAIL | {"password": "p", "password_file": "/f"}}, "are both given"),
        ({"slack": BOT | {"channel": ""}}, "has a bot, but no channel"),
        ({"slack": BOT | {"webhook_url": "https://x"}}, "both a webhook and a bot"),
        ({"slack": {"webhook_url": "https://x", "webhook_url_file": "/f"}}, "are both given"),
        ({"slack": BOT | {"api_url": "slack.com"}}, "must start with https://"),
        ({"on": ["auth_stopp"], "slack": BOT}, "is nothing that is told"),
        ({"on": ["auth_stop"]}, "neither notify.email nor notify.slack is set up"),
        ({"cooldown_s": 0}, "at least 1"),
        ({"mail": {}}, "unknown key"),
    ],
)
def test_section_refuses(tmp_path: Path, notify: dict[str, Any], told: str) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        load(tmp_path, **notify)
    assert any(told in str(one) for one in caught.value.problems), caught.value.problems


def test_section_takes_lists_as_text_and_names_with_addresses(tmp_path: Path) -> None:
    notify = load(
        tmp_path, on="auth_stop, down", slack=BOT,
        email=EMAIL | {"to": "Ops <ops@example.com>, boss@example.com"},
    ).notify  # fmt: skip
    assert notify.on == ["auth_stop", "down"]
    assert notify.email.to == ["Ops <ops@example.com>", "boss@example.com"]
    assert (notify.has_email, notify.has_slack) == (True, True)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_port_follows_from_security(tmp_path: Path, security: str, port: int) -> None:
    email = load(tmp_path, email=EMAIL | {"security": security}).notify.email
    assert email.real_port == port


def test_nothing_is_set_up_by_default(tmp_path: Path) -> None:
    notify = load(tmp_path).notify
    assert (notify.has_email, notify.has_slack, notify.on) == (False, False, [])


def test_secret_comes_from_variable_or_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("  from file\n")
    env = {"SMTP_PASSWORD": "from variable"}
    email = load(tmp_path, env, email=EMAIL | {"password": "${SMTP_PASSWORD}"}).notify.email

    assert notifying.secret(email.password, None, "x") == "from variable"
    assert notifying.secret(None, file, "x") == "from file"
    assert notifying.secret(None, None, "x") == ""


@pytest.mark.parametrize("content", [b"", b"two\nlines", b"\xff\xfe"])
def test_secret_file_that_is_unusable_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(errors.CredentialsError, match=r"notify\.x"):
        notifying.secret(None, file, "notify.x")
    with pytest.raises(errors.CredentialsError, match="cannot be read"):
        notifying.secret(None, tmp_path / "none", "notify.x")


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    noggin = Command(
        tmp_path, "", notify={
            "email": EMAIL | {"password": "hidden-1"},
            "slack": {"webhook_url": "https://hooks.example.com/hidden-2"},
        },
    )  # fmt: skip
    for words in (["config", "show"], ["config", "show", "--json"], ["config", "show", "-v"]):
        done = noggin(*words)
        assert done.code == 0, done.err
        assert "hidden" not in done.out + done.err
        assert "mail.example.com" in done.out


def test_a_wrong_secret_is_not_shown_in_the_refusal(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError) as caught:
        load(tmp_path, slack={"webhook_url": ["https://hooks.example.com/hidden"]})
    assert "hidden" not in repr(caught.value.problems)


def test_a_secret_file_that_is_missing_or_open_deserves_a_look(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.write_text("x")
    open_to_all.chmod(0o644)
    file = tmp_path / "noggin.yaml"
    given = {"webhook_url_file": str(open_to_all)}
    email = EMAIL | {"password_file": str(tmp_path / "none")}
    file.write_text(json.dumps({"notify": {"slack": given, "email": email}}))

    told = [str(one) for one in loader.read(file, env={}).notes]

    assert any(f"there is no file {tmp_path}/none" in one for one in told)
    assert any(f"chmod 600 {open_to_all}" in one for one in told)
