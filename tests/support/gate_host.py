"""A process with a gate, job threads and a pretended API: `python -m tests.support.gate_host JSON`.

The API's mood is the content of a file: ok, fail, hang, 429, 401. The journal gets one JSON line
per grant, end of a request and change of state, with times of the machine's monotonic clock.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from noggin_mp.domain import breaker, holds, outcome, pacing
from noggin_mp.store import breaker as store
from noggin_mp.store import pacing as pacing_store
from noggin_mp.store import session
from noggin_mp.worker import gate as gates
from noggin_mp.worker import pacer
from tests.support import postgres

KINDS = {
    "ok": outcome.Kind.SUCCESS,
    "fail": outcome.Kind.SERVER_ERROR,
    "429": outcome.Kind.RATE_LIMITED,
    "401": outcome.Kind.AUTH,
}
HOST = "api.example"


class Host:
    def __init__(self, arguments: dict[str, Any]) -> None:
        self.slot = arguments["slot"]
        self.mood = Path(arguments["mood"])
        self.fd = os.open(arguments["journal"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.dsn = arguments["dsn"]
        self.threads = arguments["threads"]
        self.stop = threading.Event()
        self.pool = session.open_pool(
            self.dsn, schema=postgres.SCHEMA, application_name=f"gate {self.slot}"
        )
        policy = breaker.Policy.of(arguments["policy"])
        self.gate = gates.Gate(
            store=store.Store(self.pool, worker=f"h/{self.slot}"),
            worker=f"h/{self.slot}",
            host=HOST,
            policy=dict.fromkeys(outcome.Role, policy),
            capacity=self.threads,
            fingerprint=lambda: "token",
            changed=self.changed,
            pacer=self.pacer(arguments.get("rate")),
        )

    def pacer(self, rate: str | None) -> pacer.Pacer:
        if rate is None:
            return pacer.Pacer()
        limit = pacing.Limit(scope=HOST, windows=pacing.parse(rate))
        return pacer.Pacer(
            store=pacing_store.Store(self.pool, worker=f"h/{self.slot}"),
            limits=dict.fromkeys(outcome.Role, limit),
        )

    def note(self, event: str, **fields: Any) -> None:
        line = json.dumps({"event": event, "slot": self.slot, "pid": os.getpid(), **fields})
        os.write(self.fd, line.encode() + b"\n")

    def changed(self, change: holds.Change) -> None:
        self.note("changed", at=time.monotonic(), scope=change.scope, state=change.new)

    def beat(self) -> None:
        with self.pool.connection() as connection:
            reply = store.beat(
                connection,
                host="h",
                slot=self.slot,
                instance="6b1c1d5e-0b5c-4b0e-9a53-3d2f7f4d8c11",
                boot=1,
                pid=os.getpid(),
                state="running",
                busy=self.threads,
                tip=None,
                votes=self.gate.votes(),
            )
        self.gate.on_beat(reply["scopes"])

    def listen(self) -> None:
        with session.connect(
            self.dsn, schema=postgres.SCHEMA, application_name=f"listen {self.slot}"
        ) as connection:
            connection.execute(f"LISTEN {store.CHANNEL}".encode())
            self.beat()
            self.note("listening")
            while not self.stop.is_set():
                for note in connection.notifies(timeout=0.2):
                    self.gate.on_notify(note.payload)

    def beats(self) -> None:
        while not self.stop.wait(0.5):
            self.beat()

    def work(self, number: int) -> None:
        turn = 0
        while not self.stop.is_set():
            turn += 1
            try:
                permit = self.gate.acquire(
                    outcome.Role.API, cancelled=self.stop.is_set, give_up_s=60
                )
            except gates.Refused as refused:
                self.note("refused", reason=refused.reason)
                self.stop.wait(0.1)
                continue
            tip = f"t{self.slot}.{number}.{turn}"
            self.note("begun", at=permit.begun, probe=permit.probe, number=permit.number)
            mood = self.answer()
            attempt = outcome.Attempt(
                kind=KINDS[mood], role=outcome.Role.API, reason=mood, retry_after_s=0.6
            )
            ended = time.monotonic()
            self.note("ended", at=ended, probe=permit.probe, number=permit.number, mood=mood)
            verdict = self.gate.report(permit, attempt, tip=tip)
            self.note("verdict", mood=mood, charged=verdict.charged, why=verdict.why, at=ended)

    def answer(self) -> str:
        while True:
            self.stop.wait(0.01)
            mood = self.mood.read_text()
            if mood != "hang" or self.stop.is_set():
                return mood if mood in KINDS else "ok"

    def run(self) -> None:
        targets = [self.listen, self.beats]
        threads = [threading.Thread(target=target) for target in targets]
        threads += [
            threading.Thread(target=self.work, args=(number,)) for number in range(self.threads)
        ]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        self.stop.set()
        self.gate.wake()
        for thread in threads:
            thread.join()
        self.pool.close()


if __name__ == "__main__":
    Host(json.loads(sys.argv[1])).run()
