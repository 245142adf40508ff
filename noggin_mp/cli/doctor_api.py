"""What the doctor learns of the token, and with one request of the API."""

import datetime
import time
from collections.abc import Callable, Iterator
from typing import Final

from noggin_mp import __version__
from noggin_mp.cli import doctor_database
from noggin_mp.cli.findings import Check, Verdict, failed, ok, skipped, warning
from noggin_mp.domain import errors, outcome, tokens
from noggin_mp.gateway import http, probe
from noggin_mp.settings import object_types, secret_files, secrets
from noggin_mp.settings.schema import Settings
from noggin_mp.store import records

_CREDENTIALS: Final = errors.CredentialsError.exit_code
_UNREACHABLE: Final = errors.ApiUnreachable.exit_code
_TIMEOUT_S: Final = 4.0
_SOON_S: Final = 7 * 86_400.0
_HEADER_DOUBT_S: Final = 1.0
"""A Date header is cut to the second."""


class Doctor:
    """Checks of the token and the API; `subject` gives a record that the API should know."""

    def __init__(
        self, settings: Settings, *, offline: bool, subject: Callable[[], records.Subject | None]
    ) -> None:
        self._settings = settings
        self._offline = offline
        self._subject = subject
        self._token = ""

    def checks(self) -> list[Check]:
        """The token first, then the request that tries it."""
        return [
            Check(name="token", look=self._look_at_token, late_code=_CREDENTIALS),
            Check(name="api", look=self._ask, late_code=_UNREACHABLE),
        ]

    def _look_at_token(self) -> Iterator[Verdict]:
        self._token = secrets.read_token(self._settings)
        where = secrets.origin(self._settings)
        file = self._settings.api.token_file or secrets.credential()
        if where.startswith("the file") and file is not None and secret_files.is_open_to_all(file):
            yield warning(f"{file} can be read by every user", secret_files.closing(file))
        expires = tokens.expires_at(self._token)
        if expires is None:
            yield ok(f"from {where}; it does not say when it expires")
            return
        left_s = expires - time.time()
        when = datetime.datetime.fromtimestamp(expires, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
        if left_s <= 0:
            yield failed(f"from {where}; it expired on {when}", "get a new one", _CREDENTIALS)
        elif left_s < _SOON_S:
            yield warning(f"from {where}; it expires on {when}", "get a new one in time")
        else:
            yield ok(f"from {where}; it expires on {when}")

    def _ask(self) -> Iterator[Verdict]:
        if self._offline:
            yield skipped("not asked: --offline")
            return
        if not self._token:
            yield skipped("not asked: there is no token")
            return
        subject = self._subject()
        kinds = object_types.load(self._settings.object_types)
        named = (subject.object_code or subject.object_type) if subject else None
        kind = kinds.find(named) if named else None
        tip = str(subject.tip) if subject and kind else probe.MADE_UP_TIP
        client = self._client()
        try:
            answer = probe.ask(client, endpoint=(kind or kinds.types[0]).endpoint, tip=tip)
        finally:
            client.close()
        yield judged(answer.attempt, self._settings, real=kind is not None)
        if answer.date is not None:
            date = answer.date if answer.date.tzinfo else answer.date.replace(tzinfo=datetime.UTC)
            ahead_s = date.timestamp() + 0.5 - time.time()
            yield doctor_database.clock("the API's clock", ahead_s, _HEADER_DOUBT_S)

    def _client(self) -> http.Client:
        api = self._settings.api
        return http.Client(
            base_url=api.base_url,
            media_url=api.media_url,
            namespace=api.namespace,
            token=lambda: self._token,
            timeouts=http.Timeouts(
                connect_s=min(api.connect_timeout_s, _TIMEOUT_S - 1),
                read_s=min(api.read_timeout_s, _TIMEOUT_S),
                deadline_s=min(api.deadline_s, _TIMEOUT_S),
            ),
            threads=1,
            user_agent=f"noggin-mp/{__version__} doctor",
        )


def judged(attempt: outcome.Attempt, settings: Settings, *, real: bool) -> Verdict:
    """What one attempt says of the API and the token; `real`: for a record that we know."""
    host, took = settings.api.host, f"{attempt.duration_s * 1000:.0f} ms"
    refused = "the API refuses the token"
    said = f"{host}: {attempt.detail.partition(': ')[2]}"  # without the long address before it
    match attempt.kind:
        case outcome.Kind.SUCCESS:
            return ok(f"{host} gave a record after {took}")
        case outcome.Kind.NOT_FOUND if real:
            return warning(
                f"{host} answered {attempt.status} for a record that we know",
                "check api.namespace and api.base_url",
            )
        case outcome.Kind.NOT_FOUND:
            return ok(f"{host} takes the token, and answered {attempt.status} after {took}")
        case outcome.Kind.AUTH:
            return failed(f"{refused} (401)", "put a valid one where it comes from", _CREDENTIALS)
        case outcome.Kind.CLIENT_ERROR if attempt.status == 403:
            if real:
                return failed(
                    f"{refused} for a record that we know (403)",
                    "check its rights and api.namespace",
                    _CREDENTIALS,
                )
            return warning(f"{host} answered 403 for a made-up record", "check api.namespace")
        case outcome.Kind.RATE_LIMITED:
            return warning(f"{host} throttles us ({attempt.status})", "the fleet will wait for it")
        case outcome.Kind.CONNECT | outcome.Kind.TIMEOUT:
            remedy = "check api.base_url, the network, and that no proxy is needed"
            return failed(said, remedy, _UNREACHABLE)
        case _:
            return failed(said, "check api.base_url, or wait for the API", _UNREACHABLE)
