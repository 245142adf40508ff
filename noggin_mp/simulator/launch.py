"""A simulator in a process of its own, as a handle: for the demo, for tests and for benchmarks."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import urllib3

from noggin_mp.domain import errors
from noggin_mp.simulator import options

_STOP_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A simulator that accepts requests; `stop` ends it."""

    base_url: str
    token: str
    namespace: str
    control_url: str | None
    pid: int
    announced: dict[str, Any]
    process: "subprocess.Popen[str]"
    http: urllib3.PoolManager

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the API wants."""
        return {"authorization": f"Bearer {self.token}", "en-namespace": self.namespace}

    def control(self, path: str = "", **patch: object) -> dict[str, Any]:
        """What the control address answers: to a POST of `patch` when there is one, else to a GET.

        Raises: UsageError with the simulator's own words when it refuses.
        """
        method = "POST" if patch or path == "/reset" else "GET"
        answer = self.http.request(
            method,
            f"{self.control_url}{path}",
            body=json.dumps(patch).encode() if method == "POST" else None,
        )
        body: dict[str, Any] = answer.json()
        if answer.status != 200:
            raise errors.UsageError(str(body.get("error", answer.status)))
        return body

    def truth(self, tip: str) -> dict[str, Any]:
        """What the simulator knows of a record or an attachment."""
        return self.control(f"/truth?tip={tip}")

    def log(self, *, since: int = 0, since_ns: int = 0) -> list[dict[str, Any]]:
        """The requests logged from byte `since` on, begun after `since_ns`."""
        address = f"{self.control_url}/log?since={since}&since_ns={since_ns}"
        text = self.http.request("GET", address).data
        return [json.loads(line) for line in text.splitlines()]

    def stop(self) -> int:
        """End it; gives its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()


def start(asked: options.Options) -> Running:
    """Start a simulator and wait until it accepts. Its messages go to our stderr.

    It ends when this process does, by whatever cause; call this from a thread that stays.

    Raises: UsageError, PortInUse or PathUnusable like `serving.serve`.
    """
    asked.conduct(asked.world())  # says what is wrong with the options here, not over there
    given = json.dumps(dataclasses.asdict(asked))
    process = subprocess.Popen(
        [sys.executable, "-m", "noggin_mp.simulator", given, str(os.getpid())],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        code = process.wait()
        kind = errors.PortInUse if code == errors.LocalTrouble.exit_code else errors.NogginError
        raise kind(
            f"the simulator did not start (exit code {code})", remedy="see its message above"
        )
    announced = json.loads(line)
    return Running(
        base_url=announced["base_url"],
        token=announced["token"],
        namespace=announced["namespace"],
        control_url=announced["control_url"],
        pid=announced["pid"],
        announced=announced,
        process=process,
        http=urllib3.PoolManager(retries=False, timeout=30.0, maxsize=4),
    )


@contextlib.contextmanager
def running(**wanted: Any) -> Iterator[Running]:
    """A simulator for the length of a `with` block; keywords are those of Options."""
    simulator = start(options.Options(**wanted))
    try:
        yield simulator
    finally:
        simulator.stop()
