"""The channels that the settings name, ready to send through; shared by reports and notices."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from noggin_mp.domain import errors
from noggin_mp.gateway.outgoing import Delivery, Message
from noggin_mp.settings import notifying
from noggin_mp.settings.notifying import Notify

NAMES: Final = ("email", "slack")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One way to reach people: its name, where it leads, and how to send."""

    name: str
    where: str
    send: Callable[[Message], Delivery]


def channels(notify: Notify) -> list[Channel]:
    """The channels that are set up; secrets are read when something is sent."""
    found = []
    if notify.has_email:
        email = notify.email
        where = f"{', '.join(email.to)} through {email.host}:{email.real_port}"
        found.append(Channel(name="email", where=where, send=partial(_by_email, notify)))
    if notify.has_slack:
        where = "a webhook" if notify.slack.by_webhook else notify.slack.channel
        found.append(Channel(name="slack", where=where, send=partial(_by_slack, notify)))
    return found


def chosen(notify: Notify, names: Iterable[str] = ()) -> list[Channel]:
    """The channels called `names`, or all that are set up.

    Raises: ConfigError when one of them, or every one, is not set up.
    """
    ready = channels(notify)
    for name in names:
        if name not in {one.name for one in ready}:
            raise errors.ConfigError(
                f"notify.{name} is not set up", remedy=f"fill in notify.{name} in the configuration"
            )
    wanted = set(names) or set(NAMES)
    found = [one for one in ready if one.name in wanted]
    if not found:
        raise errors.ConfigError(
            "neither notify.email nor notify.slack is set up",
            remedy="fill in one of them in the configuration",
        )
    return found


def deliver(found: Iterable[Channel], message: Message) -> list[Delivery]:
    """What became of `message` on each channel; one that fails does not keep it from the others."""
    return [one.send(message) for one in found]


def _by_email(notify: Notify, message: Message) -> Delivery:
    from noggin_mp.gateway import mail  # only who sends waits for the import

    email = notify.email
    try:
        password = notifying.secret(
            email.password, email.password_file, "notify.email.password_file"
        )
    except errors.CredentialsError as error:
        return _unusable("email", error)
    server = mail.Server(
        host=email.host,
        port=email.real_port,
        security=email.security,
        sender=email.sender,
        to=tuple(email.to),
        username=email.username,
        password=password,
        ca_file=notify.ca_file,
    )
    return mail.send(server, message)


def _by_slack(notify: Notify, message: Message) -> Delivery:
    from noggin_mp.gateway import slack

    given = notify.slack
    try:
        webhook = notifying.secret(
            given.webhook_url, given.webhook_url_file, "notify.slack.webhook_url_file"
        )
        token = notifying.secret(
            given.bot_token, given.bot_token_file, "notify.slack.bot_token_file"
        )
    except errors.CredentialsError as error:
        return _unusable("slack", error)
    target = slack.Target(
        webhook_url=webhook,
        bot_token=token,
        channel=given.channel,
        api_url=given.api_url,
        ca_file=notify.ca_file,
    )
    return slack.send(target, message)


def _unusable(channel: str, error: errors.CredentialsError) -> Delivery:
    return Delivery(channel=channel, ok=False, told=error.message, remedy=error.remedy)
