"""Rounds of a fleet at work while its processes, its sessions and its database are hit at random.

Each round has its own folder and database; after it, everything must be settled exactly once. The
seed of a round tells its course: `python -m tests.faults rounds --seed 17` begins there.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psycopg

from noggin_mp.store import embedded
from tests.faults import stage
from tests.support import fleet, truth, wait

TIPS = 150
HITS = 6


class Round:
    """One fleet, hit again and again, then left to finish."""

    def __init__(self, site: fleet.Site, state: Path, chance: random.Random) -> None:
        self.site = site
        self.state = state
        self.chance = chance
        self.hits: list[str] = []
        self.fleet: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Start, hit, finish. Raises: AssertionError when something does not hold."""
        self.start()
        for _ in range(HITS):
            self.pause(self.chance.uniform(0.1, 1.5))
            name = self.chance.choice(list(STEPS))
            STEPS[name](self)
            self.hits.append(name)
        if self.fleet is not None and self.fleet.poll() is None:
            self.fleet.send_signal(signal.SIGTERM)
            self.fleet.wait(120)
        code = self.site.start("run", "--until-drained", "--horizon", "600").wait(400)
        assert code == 0, f"the last run ended with {code}\n{self.site.log[-3000:]}"
        truth.check_done(self.site, tips=TIPS)

    def start(self) -> None:
        """A fleet, unless one runs."""
        if self.fleet is None or self.fleet.poll() is not None:
            self.fleet = self.site.start("run", "--workers", "3", "--threads", "4")

    def pause(self, seconds: float) -> None:
        """Let the fleet work: this is not a test that could wait for a condition."""
        time.sleep(seconds)

    def worker(self) -> int | None:
        """The process id of some living worker."""
        found = list(fleet.workers(self.site).values())
        return self.chance.choice(found) if found else None

    def signal_worker(self, number: signal.Signals) -> None:
        """Send a signal to some worker, if one lives."""
        pid = self.worker()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def kill_worker(fate: Round) -> None:
    """SIGKILL one worker."""
    fate.signal_worker(signal.SIGKILL)


def kill_monitor(fate: Round) -> None:
    """SIGKILL the monitor."""
    monitor = fleet.supervisor_file(fate.site).get("monitor") or {}
    with contextlib.suppress(ProcessLookupError, TypeError):
        os.kill(int(monitor["pid"]) if monitor.get("pid") else 2**22, signal.SIGKILL)


def kill_supervisor(fate: Round) -> None:
    """SIGKILL the supervisor; its children must die with it; then start another."""
    children = list(fleet.workers(fate.site).values())
    assert fate.fleet is not None
    fate.fleet.kill()
    fate.fleet.wait()
    for pid in children:
        fleet.gone(pid, timeout_s=30)
    fate.start()


def stop_and_go(fate: Round) -> None:
    """SIGSTOP one worker for a moment."""
    pid = fate.worker()
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
        fate.pause(fate.chance.uniform(0.2, 1.5))
        os.kill(pid, signal.SIGCONT)


def stop_leasing(fate: Round) -> None:
    """WINCH: no new work for a moment."""
    if fate.fleet is not None and fate.fleet.poll() is None:
        fate.fleet.send_signal(signal.SIGWINCH)
        fate.pause(fate.chance.uniform(0.2, 1.5))
        fate.fleet.send_signal(signal.SIGWINCH)


def resize(fate: Round) -> None:
    """One worker more, then two fewer."""
    if fate.fleet is not None and fate.fleet.poll() is None:
        for number in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGTTOU):
            fate.fleet.send_signal(number)
            fate.pause(fate.chance.uniform(0.1, 1.0))


def terminate_sessions(fate: Round) -> None:
    """End every session of the fleet at the server."""
    with contextlib.suppress(psycopg.Error), fate.site.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'noggin-mp/%' AND pid <> pg_backend_pid()"
        )


def restart_database(fate: Round) -> None:
    """Stop the embedded server (fast) and start it again."""
    embedded.stop(fate.state)
    embedded.ensure_running(fate.state)


def crash_database(fate: Round) -> None:
    """SIGKILL the postmaster; the next start recovers."""
    status = embedded.status(fate.state)
    if status is not None and status.pid is not None:
        os.kill(status.pid, signal.SIGKILL)
        fleet.gone(status.pid)
    embedded.ensure_running(fate.state)


def edit_in_flight(fate: Round) -> None:
    """An operator asks for ten TIPs again, whatever they are doing."""
    with contextlib.suppress(psycopg.Error), fate.site.connect() as connection:
        connection.execute(
            "UPDATE noggin_data SET processing_status = 'pending', retry_count = 0,"
            " next_retry_at = NULL WHERE tip IN (SELECT tip FROM noggin_data"
            " ORDER BY random() LIMIT 10)"
        )


STEPS: dict[str, Callable[[Round], None]] = {
    step.__name__: step
    for step in (
        kill_worker, kill_monitor, kill_supervisor, stop_and_go, stop_leasing, resize,
        terminate_sessions, restart_database, crash_database, edit_in_flight,
    )
}  # fmt: skip


def one_round(seed: int) -> list[str]:
    """What was done in the round of this seed. Raises: AssertionError."""
    options = ["--latency-ms", "10-60", "--seed", str(seed), "--faults", "500=2%,truncate=1%"]
    # Beside what hits it, each worker makes room for a fresh one now and then.
    with stage.stage(tips=TIPS, options=options, fleet={"recycle_after_tips": 15}) as made:
        site = made.site
        with site.connect() as connection:
            connection.execute(truth.COUNT_SETTLES)
        fate = Round(site, made.database, random.Random(seed))
        try:
            fate.run()
        finally:
            if fate.fleet is not None and fate.fleet.poll() is None:
                fate.fleet.kill()
                fate.fleet.wait()
        wait.until(lambda: not fleet.workers(site), timeout_s=30, what="no orphan")
    return fate.hits


def main(words: list[str]) -> int:
    """Run the rounds; 0 when everything held in all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults rounds", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args(words)
    done: Counter[str] = Counter()
    failed: list[int] = []
    for seed in range(asked.seed, asked.seed + asked.rounds):
        began = time.monotonic()
        try:
            hits = one_round(seed)
        except AssertionError as error:
            failed.append(seed)
            print(f"seed {seed}: FAILED\n{error}", flush=True)
            continue
        done.update(hits)
        print(f"seed {seed}: held, {time.monotonic() - began:.0f} s: {', '.join(hits)}", flush=True)
    print(f"{asked.rounds - len(failed)} of {asked.rounds} rounds held; {dict(done)}")
    if failed:
        print(f"run again with: python -m tests.faults rounds --rounds 1 --seed {failed[0]}")
    return int(bool(failed))
