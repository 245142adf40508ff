"""Monitors that tell people what changed, on one database, and what people got of it."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from noggin_mp.gateway.outgoing import Delivery, Message
from noggin_mp.monitor import notices
from noggin_mp.monitor.channels import Channel
from noggin_mp.settings.notifying import Notify
from noggin_mp.store import reports, session
from tests.support import postgres

ON = ["auth_stop", "dead_letters", "drained", "down", "disk_low"]
SCOPE = "api.example"


class Site:
    """Monitors on one database, and what people got, by channel."""

    def __init__(self, dsn: str, conn: session.Connection) -> None:
        self.dsn, self.conn = dsn, conn
        self.got: list[tuple[str, str]] = []
        self.broken: set[str] = set()
        self.names = ["email", "slack"]
        self.notify = Notify.model_validate({"on": ON, "cooldown_s": 60})
        self.taken_ago_s = 0.0

    def ways(self, notify: Notify) -> list[Channel]:
        """Channels that note what goes through them, and fail while they are `broken`."""
        return [Channel(name=name, where="", send=self._sender(name)) for name in self.names]

    def _sender(self, name: str) -> Callable[[Message], Delivery]:
        def send(message: Message) -> Delivery:
            if name in self.broken:
                return Delivery(channel=name, ok=False, told="it is broken", later=True)
            self.got.append((name, message.subject.removeprefix("[noggin-mp] ")))
            return Delivery(channel=name, ok=True, told="sent")

        return send

    def monitor(self, host: str = "a", **changes: Any) -> notices.Notifier:
        """A host's notifier, whose samples are taken when it asks."""
        given: dict[str, Any] = {
            "connect": lambda name: self.connect(), "sampler": self, "leading": lambda: True,
            "notify": lambda: self.notify, "host": host, "stopping": lambda: False,
            "wait": lambda seconds: False, "ways": self.ways,
        }  # fmt: skip
        return notices.Notifier(**(given | changes))

    @property
    def latest(self) -> Any:
        """A sample as of now."""
        at = time.monotonic() - self.taken_ago_s
        with self.connect() as connection:
            found = reports.snapshot(connection)
        return SimpleNamespace(taken_at=at, snapshot=found, numbers={"stalled": 0})

    def connect(self) -> session.Connection:
        """A session of its own."""
        return session.connect(self.dsn, schema=postgres.SCHEMA, application_name="notices")

    def told(self) -> list[tuple[str, str]]:
        """What people got since the last call."""
        got, self.got = self.got, []
        return got

    def later(self, minutes: float = 60) -> None:
        """Let time pass for what was noted."""
        self.conn.execute(
            "UPDATE notices SET created_at = created_at - make_interval(mins => %(m)s),"
            " next_try_at = next_try_at - make_interval(mins => %(m)s)",
            {"m": minutes},
        )

    def stop(self) -> None:
        """The API refuses the token."""
        self.conn.execute("SELECT breaker_auth_stop(%s, 'w', 9, 'f', 'tip', 'http_401')", (SCOPE,))

    def go_on(self) -> None:
        """A person closes the breaker."""
        self.conn.execute("SELECT breaker_force(%s, 'reset', NULL, 'me', '')", (SCOPE,))

    def bury(self, number: int) -> None:
        """More dead letters."""
        self.conn.execute(
            "INSERT INTO noggin_data (tip, processing_status, permanently_failed)"
            " SELECT gen_random_uuid(), 'failed', true FROM generate_series(1, %s)",
            (number,),
        )
