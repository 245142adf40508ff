"""The token as of now, and its fingerprint: a changed token file takes effect without a restart."""

import hashlib
import threading
import time
from collections.abc import Callable

from noggin_mp.domain import errors
from noggin_mp.observe import logs
from noggin_mp.settings import secrets
from noggin_mp.settings.schema import Settings

log = logs.get("worker")


class TokenSource:
    """Reads a token file at most once a second, asks a command once a minute; for many threads."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._fresh_s = secrets.fresh_s(settings)
        self._guard = threading.Lock()
        self._token = ""
        self._fingerprint = ""
        self._read_at = float("-inf")

    def configure(self, settings: Settings) -> None:
        """Take the token from where these settings say; it is read at its next use."""
        with self._guard:
            if _sources(settings) != _sources(self._settings):
                self._token = ""  # of a source that was given up
            self._settings = settings
            self._fresh_s = secrets.fresh_s(settings)
            self._read_at = float("-inf")

    def token(self) -> str:
        """The token. Raises: CredentialsError when there is none."""
        with self._guard:
            now = self._clock()
            if now - self._read_at > self._fresh_s or not self._token:
                self._token = self._read()
                logs.remember_secret(self._token)
                self._fingerprint = hashlib.sha256(self._token.encode()).hexdigest()[:16]
                self._read_at = now
            return self._token

    def _read(self) -> str:
        """The token as it is now; a command that fails for once does not take a good one away."""
        try:
            return secrets.read_token(self._settings)
        except errors.CredentialsError as error:
            if not self._token or not self._settings.api.token_command:
                raise
            log.warning("token_command_failed", reason=str(error))
            return self._token

    def fingerprint(self) -> str:
        """What tells one token from another and gives neither away; empty without a token."""
        try:
            self.token()
        except errors.CredentialsError:
            return ""
        return self._fingerprint


def _sources(settings: Settings) -> tuple[object, ...]:
    api = settings.api
    return api.token, api.token_file, api.token_command
