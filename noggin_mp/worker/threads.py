"""A worker's job threads: as many as the settings want, also when these change under way."""

import queue as queues
import threading
from collections.abc import Callable

from noggin_mp.store import queue


class Threads:
    """Threads that take TIPs from a queue of jobs; `carry` carries one to its end."""

    def __init__(
        self,
        jobs: "queues.SimpleQueue[queue.Leased | None]",
        carry: Callable[[queue.Leased], None],
    ) -> None:
        self._jobs = jobs
        self._carry = carry
        self._guard = threading.Lock()
        self._wanted = self._alive = self._made = 0

    @property
    def alive(self) -> int:
        """How many there are, those included that end after the TIP they carry."""
        with self._guard:
            return self._alive

    def resize(self, wanted: int) -> None:
        """Want so many: more start at once; of too many, each ends when it is done with its TIP."""
        with self._guard:
            self._wanted = wanted
            surplus = max(0, self._alive - wanted)
            while self._alive < wanted:
                self._start()
        for _ in range(surplus):
            self._jobs.put(None)  # wakes one that waits for work

    def close(self) -> None:
        """Let all of them end."""
        self.resize(0)

    def _start(self) -> None:
        self._alive += 1
        self._made += 1
        threading.Thread(target=self._live, name=f"job-{self._made - 1}", daemon=True).start()

    def _live(self) -> None:
        while True:
            item = self._jobs.get()
            try:
                if item is not None:
                    self._carry(item)
            except BaseException:
                with self._guard:
                    self._alive -= 1
                raise
            with self._guard:
                if self._alive > self._wanted:
                    self._alive -= 1
                    return
