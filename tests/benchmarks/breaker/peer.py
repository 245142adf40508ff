"""One process of a peer: the same requests in a loop behind another breaker, until TERM.

`python -m tests.benchmarks.breaker.peer JSON`; the user agent is its name in the server's log.
"""

import contextlib
import json
import random
import signal
import sys
import threading
from typing import Any, Final

import pybreaker
import urllib3

_AGAIN_S: Final = 0.05
"""How soon it tries again after a failure or a refusal: it is polite."""
_WORK_S: Final = 0.03
"""What it does with a record, so that many of them fit on one machine."""


class Failed(Exception):
    """No good answer."""


class Peer:
    """Gets one record after another through `breaker`, or without one."""

    def __init__(self, wish: dict[str, Any]) -> None:
        self._wish = wish
        self._stopped = threading.Event()
        self._breaker = _breaker(wish)
        self._pool = urllib3.PoolManager(
            maxsize=wish["threads"], retries=False, timeout=urllib3.Timeout(connect=2, read=2)
        )
        self._headers = {
            "authorization": f"Bearer {wish['token']}",
            "en-namespace": wish["namespace"],
            "user-agent": f"peer {wish['name']}",
        }

    def get(self) -> None:
        """One request. Raises: Failed."""
        path = random.choice(self._wish["paths"])
        try:
            answer = self._pool.request("GET", self._wish["base_url"] + path, headers=self._headers)
        except urllib3.exceptions.HTTPError as error:
            raise Failed from error
        if answer.status != 200:
            raise Failed

    def loop(self) -> None:
        """Get until told to stop."""
        while not self._stopped.is_set():
            try:
                if self._breaker is None:
                    self.get()
                else:
                    self._breaker.call(self.get)
                self._stopped.wait(_WORK_S)
            except (Failed, pybreaker.CircuitBreakerError):
                self._stopped.wait(_AGAIN_S)

    def run(self) -> None:
        """Loop in every thread."""
        signal.signal(signal.SIGTERM, lambda *_: self._stopped.set())
        threads = [threading.Thread(target=self.loop) for _ in range(self._wish["threads"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _breaker(wish: dict[str, Any]) -> pybreaker.CircuitBreaker | None:
    if wish["kind"] == "none":
        return None
    storage = None
    if wish["kind"] == "redis":
        import redis

        client = redis.Redis(unix_socket_path=wish["redis"])
        storage = pybreaker.CircuitRedisStorage(
            pybreaker.STATE_CLOSED, client, namespace=wish["namespace"]
        )
    return pybreaker.CircuitBreaker(
        fail_max=5, reset_timeout=wish["open_s"], success_threshold=2, state_storage=storage
    )


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        Peer(json.loads(sys.argv[1])).run()
