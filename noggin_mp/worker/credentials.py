"""The token as of now, and its fingerprint: a changed token file takes effect without a restart."""

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Final

from noggin_mp.domain import errors
from noggin_mp.observe import logs
from noggin_mp.settings import secrets
from noggin_mp.settings.schema import Settings

_FRESH_S: Final = 1.0


class TokenSource:
    """Reads the token at most once a second; safe for many threads."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._guard = threading.Lock()
        self._token = ""
        self._fingerprint = ""
        self._read_at = float("-inf")

    def token(self) -> str:
        """The token. Raises: CredentialsError when there is none."""
        with self._guard:
            now = self._clock()
            if now - self._read_at > _FRESH_S or not self._token:
                self._token = secrets.read_token(self._settings)
                logs.remember_secret(self._token)
                self._fingerprint = hashlib.sha256(self._token.encode()).hexdigest()[:16]
                self._read_at = now
            return self._token

    def fingerprint(self) -> str:
        """What tells one token from another and gives neither away; empty without a token."""
        try:
            self.token()
        except errors.CredentialsError:
            return ""
        return self._fingerprint
