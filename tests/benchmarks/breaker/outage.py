"""One real outage from beginning to end: warm, down, up again (B1, B2, B3, B4 and the picture)."""

import time
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.breaker import history, stage, traffic
from tests.benchmarks.breaker.traffic import S

API = f"{stage.HOST}:api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long each part lasts, in seconds, and the fleet's size."""

    workers: int = 8
    threads: int = 1
    warm_s: float = 5.0
    outage_s: float = 60.0
    after_s: float = 8.0
    open_s: float = 10.0
    ramp_s: float = 2.0

    def breaker(self) -> dict[str, Any]:
        """The breaker's settings: the same open time again and again."""
        return {
            "open_duration_s": self.open_s,
            "open_multiplier": 1,
            "open_jitter": 0,
            "recovery_ramp_s": self.ramp_s,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """What was seen; times on CLOCK_MONOTONIC."""

    plan: Plan
    down_ns: int
    up_ns: int
    end_ns: int
    requests: list[traffic.Request]
    events: list[history.Event]
    charged: list[tuple[str, int, bool, str]]

    def first(self, kind: str) -> history.Event:
        """The first event of that kind of the record scope after the outage began."""
        return next(one for one in self.of_api() if one.kind == kind)

    def of_api(self) -> list[history.Event]:
        """The record scope's events since the outage began."""
        return [e for e in self.events if e.scope == API and e.at_ns >= self.down_ns]

    @property
    def close_ns(self) -> int:
        """When the record scope was closed again."""
        return self.first("close").committed_ns

    @property
    def leaked(self) -> int:
        """Requests sent into the outage that no probe was: those before the first trial."""
        first_trial = self.first("half_open").at_ns
        return len(traffic.between(self.requests, self.down_ns, first_trial)) - self._honest()

    def _honest(self) -> int:
        # Those that the server still answered well, between our clock and its switch.
        return sum(one.ok for one in traffic.between(self.requests, self.down_ns, self.up_ns))

    @property
    def wasted(self) -> int:
        """Every request that failed, probes included."""
        return sum(not one.ok for one in self.requests if one.start_ns >= self.down_ns)

    @property
    def probes(self) -> list[traffic.Request]:
        """Requests for records from the first trial to the closing.

        The files of a record that a trial brought are no probes: their scope is another one.
        """
        first_trial = self.first("half_open").at_ns
        sent = traffic.between(self.requests, first_trial, self.close_ns)
        return [one for one in sent if one.role == "api"]

    @property
    def in_vain(self) -> int:
        """Probes sent while the outage lasted."""
        return sum(one.start_ns < self.up_ns for one in self.probes)

    @property
    def resume_lag_s(self) -> float:
        """Seconds from when the last open time was over (or the API back, if later) to closing."""
        opened = [e for e in self.of_api() if e.kind in ("trip", "open")]
        over = opened[-1].at_ns + self.plan.open_s * S
        return (self.close_ns - max(over, self.up_ns)) / S

    @property
    def first_answer_s(self) -> float:
        """Seconds from the API's return to the arrival of the first request that came through."""
        good = [one.start_ns for one in self.requests if one.ok and one.start_ns >= self.up_ns]
        return (min(good, default=self.end_ns) - self.up_ns) / S

    @property
    def remaining_s(self) -> float:
        """The open time that was left when the API came back."""
        opened = [e for e in self.of_api() if e.kind in ("trip", "open")]
        return max(0.0, (opened[-1].at_ns + self.plan.open_s * S - self.up_ns) / S)

    @property
    def full_again_s(self) -> float:
        """Seconds from closing until a whole second carried 80 % of the requests of before."""
        warm = traffic.between(self.requests, self.down_ns - 3 * S, self.down_ns)
        wanted = 0.8 * len(warm) / 3
        counts = traffic.per_second(self.requests, self.close_ns)
        return next((float(at + 1) for at in range(60) if counts[at] >= wanted), float("inf"))


def real(made: stage.Stage, plan: Plan, *, mode: str = "503") -> Outage:
    """Play the plan with the real fleet."""
    with stage.fleet_at_work(
        made, workers=plan.workers, threads=plan.threads, breaker=plan.breaker()
    ) as run:
        log, before = traffic.Log(made.log), history.newest(run.site)
        stage.pause(plan.warm_s)
        down_ns = run.mode(mode)
        stage.pause(plan.outage_s)
        run.tripped(down_ns)  # long since, but on a machine that stands still
        up_ns = run.mode("ok")
        run.closed(up_ns, timeout_s=plan.open_s + 90)
        stage.pause(plan.ramp_s + plan.after_s)
        end_ns = time.monotonic_ns()
        return Outage(
            plan=plan,
            down_ns=down_ns,
            up_ns=up_ns,
            end_ns=end_ns,
            requests=log.read(),
            events=history.events(run.site, after=before),
            charged=run.charged(),
        )
