"""The section `notify`: where reports and notices go, and the rules over its keys."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema

from noggin_mp.domain import errors, notices
from noggin_mp.settings import file_bytes, secret_files, values
from noggin_mp.settings.document import KeyPath
from noggin_mp.settings.section import Section, absent
from noggin_mp.settings.texts import Secret
from noggin_mp.settings.values import Int, Num, OptionalPath, Text

Security = Annotated[Literal["starttls", "tls", "none"], values.Word]

_MOST_LISTED = 1000
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_ADDRESS = re.compile(r"(?:[^\r\n<>]*<)?[^@\s<>,;]+@[^@\s<>,;]+>?")


def _address(value: Any) -> str:
    text = values.text(value).strip()
    if text and (not _ADDRESS.fullmatch(text) or ("<" in text) != (">" in text)):
        values.refuse("is no e-mail address", "write it like noggin@example.com")
    return text


def _kind(value: Any) -> str:
    word = values.text(value).strip().lower()
    if word not in notices.KINDS:
        values.refuse("is nothing that is told", f"choose from {', '.join(notices.KINDS)}")
    return word


def _listed(value: Any) -> Any:
    """A single text, with commas between its parts, stands for a list."""
    if isinstance(value, str):
        if value.count(",") > _MOST_LISTED:
            values.refuse(f"lists more than {_MOST_LISTED:,} entries")
        return [part.strip() for part in value.split(",") if part.strip()]
    return [] if value is None else value


def _web(url: str) -> str:
    url = url.strip().rstrip("/")
    if not re.match(r"https?://[^\s/@]+(/[^\s]*)?$", url):
        values.refuse("must start with https:// and a host")
    return url


Address = Annotated[str, BeforeValidator(_address)]
_ITEMS = {"type": ["string", "null"]}
_LIST = WithJsonSchema({"anyOf": [{"type": "array", "items": _ITEMS}, _ITEMS]})
Addresses = Annotated[
    list[Address],
    BeforeValidator(_listed),
    AfterValidator(lambda addresses: [one for one in addresses if one]),
    _LIST,
]
Kinds = Annotated[list[Annotated[str, BeforeValidator(_kind)]], BeforeValidator(_listed), _LIST]


class Email(Section):
    """The mail server; nothing is sent by e-mail while `host` is empty."""

    host: Text = Field("", description="Host of the mail server; empty = no e-mail.")
    port: Int = Field(
        0, ge=0, le=65_535, description="Its port; 0 = 587 (starttls), 465 (tls) or 25 (none)."
    )
    security: Security = Field(
        "starttls", description="starttls, tls (from the first byte), or none."
    )
    username: Text = Field("", description="Account to log in with; empty = no log-in.")
    password: Secret = Field(
        None, description="Its password, by reference: ${SMTP_PASSWORD}; better password_file."
    )
    password_file: OptionalPath = Field(None, description="File that holds only the password.")
    sender: Address = Field("", alias="from", description="Address the mail comes from.")
    to: Addresses = Field([], description="Addresses it goes to.")

    @property
    def real_port(self) -> int:
        """The port in effect."""
        return self.port or _PORTS[self.security]


class Slack(Section):
    """A webhook, or a bot's token and a channel; nothing goes to Slack while there is neither."""

    webhook_url: Secret = Field(None, description="Incoming webhook, by reference: ${SLACK_URL}.")
    webhook_url_file: OptionalPath = Field(None, description="File that holds only that URL.")
    bot_token: Secret = Field(None, description="Token of a bot, by reference: ${SLACK_TOKEN}.")
    bot_token_file: OptionalPath = Field(None, description="File that holds only that token.")
    channel: Text = Field("", description="Channel of the bot: its id, or #name.")
    api_url: Annotated[Text, AfterValidator(_web)] = Field(
        "https://slack.com/api", description="Where chat.postMessage is."
    )

    @property
    def by_webhook(self) -> bool:
        """True when a webhook is given."""
        return self.webhook_url is not None or self.webhook_url_file is not None

    @property
    def by_bot(self) -> bool:
        """True when a bot's token is given."""
        return self.bot_token is not None or self.bot_token_file is not None


class Notify(Section):
    """Reports and notices by e-mail and Slack."""

    on: Kinds = Field(
        [],
        description="What the fleet tells by itself: " + ", ".join(notices.KINDS) + ".",
    )
    cooldown_s: Num = Field(
        900, ge=1, le=604_800, description="Seconds between two notices about the same thing."
    )
    ca_file: OptionalPath = Field(
        None, description="Certificates to trust instead of the system's, for a private server."
    )
    email: Email = absent(Email.__doc__)
    slack: Slack = absent(Slack.__doc__)

    @property
    def has_email(self) -> bool:
        """True when e-mail is set up."""
        return bool(self.email.host)

    @property
    def has_slack(self) -> bool:
        """True when Slack is set up."""
        return self.slack.by_webhook or self.slack.by_bot


def secret(given: SecretStr | None, file: Any, name: str) -> str:
    """A secret from its key or its file, without white space around it; empty when there is none.

    Raises: CredentialsError when the file is unusable.
    """
    if given is not None:
        return given.get_secret_value()
    if file is None:
        return ""
    try:
        text = file_bytes.read(file).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError, file_bytes.Unfit) as error:
        why = getattr(error, "strerror", None) or getattr(error, "message", "it is not text")
        raise errors.CredentialsError(
            f"{name} {file} cannot be read: {why}",
            remedy="create it with mode 0600 for the user the fleet runs as",
        ) from None
    if not text or "\n" in text:
        raise errors.CredentialsError(
            f"{name} {file} does not hold one line", remedy="put only the secret there"
        )
    return text


def complaints(notify: Notify) -> Iterator[tuple[tuple[KeyPath, ...], str, str]]:
    """Every rule that several keys of the section break: where, what, and what to do."""
    email, slack = notify.email, notify.slack
    for section, names in (("email", ("password",)), ("slack", ("webhook_url", "bot_token"))):
        for name in names:
            holder = getattr(notify, section)
            if getattr(holder, name) is not None and getattr(holder, f"{name}_file") is not None:
                key = f"notify.{section}.{name}"
                yield _keys(f"{key}_file", key), f"{key} and {key}_file are both given", "keep one"
    if email.host and not (email.sender and email.to):
        missing = "from" if not email.sender else "to"
        yield (
            _keys(f"notify.email.{missing}", "notify.email.host"),
            f"notify.email.host is given, but notify.email.{missing} is not",
            "give an address",
        )
    with_password = email.password is not None or email.password_file is not None
    if with_password and email.security == "none" and not _is_loopback(email.host):
        yield (
            _keys("notify.email.security", "notify.email.host"),
            "notify.email.security none would send the password in the clear",
            "use starttls or tls",
        )
    if slack.by_webhook and slack.by_bot:
        yield (
            _keys("notify.slack.bot_token", "notify.slack.bot_token_file"),
            "notify.slack has both a webhook and a bot",
            "keep one of them",
        )
    if slack.by_bot and not slack.channel:
        yield (
            _keys("notify.slack.channel", "notify.slack.bot_token_file", "notify.slack.bot_token"),
            "notify.slack has a bot, but no channel",
            "give notify.slack.channel",
        )
    if notify.on and not (notify.has_email or notify.has_slack):
        yield (
            _keys("notify.on"),
            "notify.on asks for notices, but neither notify.email nor notify.slack is set up",
            "set one up, or empty notify.on",
        )


def notes(notify: Notify) -> Iterator[tuple[tuple[KeyPath, ...], str, str]]:
    """What works but deserves a look: files of secrets that are not there, or open to everybody."""
    email, slack = notify.email, notify.slack
    files = {
        "notify.email.password_file": email.password_file,
        "notify.slack.webhook_url_file": slack.webhook_url_file,
        "notify.slack.bot_token_file": slack.bot_token_file,
        "notify.ca_file": notify.ca_file,
    }
    for key, file in files.items():
        if file is None:
            continue
        if not secret_files.is_there(file):
            yield _keys(key), f"{key}: there is no file {file}", "create it with mode 0600"
        elif key != "notify.ca_file" and secret_files.is_open_to_all(file):
            yield _keys(key), f"{file} can be read by every user", secret_files.closing(file)


def _keys(*dotted: str) -> tuple[KeyPath, ...]:
    return tuple(tuple(one.split(".")) for one in dotted)


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"
