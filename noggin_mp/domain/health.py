"""The verdict on a fleet: facts go in, reasons why it is not healthy come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from noggin_mp.domain import agreement

STALLED_AFTER_S: Final = 600.0
"""With work ready and nothing in its way, something must finish within this time."""

_STOPS: Final = frozenset({"open", "forced_open", "auth_stop"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that is wrong, and what to do about it."""

    code: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known: `supervisor` is supervisor.json, `workers` and `breakers` are rows of status.

    `free_bytes` is None when the output folder cannot be asked. `api_host` is the host that we work
    with, as scopes carry it; empty when every scope counts. `policies` is what each host alive
    tells of its own.
    """

    supervisor: Mapping[str, Any]
    workers: Sequence[Mapping[str, Any]]
    breakers: Sequence[Mapping[str, Any]]
    tips: Mapping[str, int]
    queue: Mapping[str, int]
    paused: bool
    pause_reason: str | None
    finished_age_s: float | None
    rejected_rows: int
    free_bytes: int | None
    min_free_bytes: int
    max_age_s: float | None = None
    api_host: str = ""
    policies: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`reasons` make it unhealthy; `notes` are worth knowing and harmless by themselves."""

    reasons: tuple[Reason, ...]
    notes: tuple[Reason, ...]

    @property
    def healthy(self) -> bool:
        """True without a reason to the contrary."""
        return not self.reasons


def judge(facts: Facts) -> Verdict:
    """The verdict on `facts`, worst things first."""
    beating = [one for one in facts.workers if one["state"] not in ("lost", "stopped")]
    reasons, notes = _supervision(facts, beating=bool(beating))
    stops, passing = _breakers(facts.breakers, facts.api_host)
    reasons += stops
    notes += passing
    if facts.paused:
        why = f": {facts.pause_reason}" if facts.pause_reason else ""
        reasons.append(Reason(
            code="paused", message=f"the fleet is paused{why}",
            remedy="run noggin-mp fleet resume"))  # fmt: skip
    if facts.free_bytes is not None and facts.free_bytes < facts.min_free_bytes:
        reasons.append(Reason(
            code="disk.low",
            message=f"{facts.free_bytes:,} bytes are free for output, the floor is"
            f" {facts.min_free_bytes:,}",
            remedy="free some space, or lower attachments.min_free_bytes"))  # fmt: skip
    reasons += _age(facts, unhindered=bool(beating) and not reasons)
    return Verdict(reasons=tuple(reasons), notes=(*notes, *_leftovers(facts)))


def _supervision(facts: Facts, *, beating: bool) -> tuple[list[Reason], list[Reason]]:
    state = facts.supervisor.get("state")
    reasons: list[Reason] = []
    notes: list[Reason] = []
    if state in ("stopped", "unknown"):
        silent = Reason(
            code="supervisor.not_running",
            message="no supervisor runs on this state folder"
            if state == "stopped"
            else "this account may not see whether a supervisor runs",
            remedy="" if beating else "run noggin-mp run",
        )
        # Workers may be run one by one, under supervisord, or on other hosts.
        (notes if beating else reasons).append(silent)
    elif state != "running":
        reasons.append(Reason(code="supervisor.state", message=f"the supervisor is {state}"))
    elif not beating:
        reasons.append(Reason(
            code="workers.silent", message="the supervisor runs, but no worker is heard of",
            remedy="see its log, and noggin-mp status"))  # fmt: skip
    parked = [slot for slot in facts.supervisor.get("slots") or () if slot.get("state") == "parked"]
    if parked:
        numbers = ", ".join(str(slot.get("slot")) for slot in parked)
        reasons.append(Reason(
            code="workers.parked", message=f"worker slots parked after repeated crashes: {numbers}",
            remedy="see the log for why they crash, then run noggin-mp config reload"))  # fmt: skip
    if facts.supervisor.get("config_error"):
        reasons.append(Reason(
            code="config.invalid",
            message=f"the last reload was refused: {facts.supervisor['config_error']}",
            remedy="correct the file and send HUP again"))  # fmt: skip
    if facts.supervisor.get("paused"):
        reasons.append(Reason(
            code="leasing.paused", message="this host takes no new work: paused by a signal",
            remedy="send WINCH to the supervisor again"))  # fmt: skip
    blocked = sum(one["state"] == "blocked" for one in facts.workers)
    if blocked:
        reasons.append(Reason(
            code="workers.blocked",
            message=f"{blocked} workers lease nothing because their disk or folder fails them",
            remedy="see local_trouble in the log, and paths.output"))  # fmt: skip
    lost = sum(one["state"] == "lost" for one in facts.workers)
    if lost and beating:
        notes.append(
            Reason(code="workers.lost", message=f"{lost} workers are not heard of any more")
        )
    return reasons, notes


def _breakers(
    breakers: Sequence[Mapping[str, Any]], api_host: str
) -> tuple[list[Reason], list[Reason]]:
    """Scopes that stop the fleet, and those that will pass by themselves in a moment.

    One left so at a host that nobody here works with any more stops nothing: nobody probes it, or
    tries a token there.
    """
    reasons, notes = [], []
    for one in breakers:
        scope, state = one["scope"], one["state"]
        why = f": {one['reason']}" if one.get("reason") else ""
        if state == "auth_stop":
            remedy = "give a valid token (api.token or api.token_file) and reload or restart"
        else:
            remedy = f"see noggin-mp breaker show {scope}"
        if state in _STOPS and api_host not in ("", scope, scope.rpartition(":")[0]):
            notes.append(Reason(
                code="breaker.elsewhere",
                message=f"{scope}, another host than api.base_url's, is {state}{why}",
                remedy=f"forget it: noggin-mp breaker reset {scope}"))  # fmt: skip
        elif state in _STOPS:
            reasons.append(Reason(
                code=f"breaker.{state}", message=f"the breaker {scope} is {state}{why}",
                remedy=remedy))  # fmt: skip
        elif state != "closed":
            notes.append(Reason(code=f"breaker.{state}", message=f"{scope} is {state}{why}"))
        if one.get("quarantined"):
            notes.append(Reason(
                code="breaker.quarantine",
                message=f"{one['quarantined']} workers fail alone at {scope} and are in quarantine",
                remedy="see their host's network, and noggin-mp breaker events"))  # fmt: skip
    return reasons, notes


def _age(facts: Facts, *, unhindered: bool) -> list[Reason]:
    """Work that is too old: by the asker's measure, or because nothing moves though it could."""
    age = facts.finished_age_s
    if facts.max_age_s is not None and (age is None or age > facts.max_age_s):
        what = (
            "no TIP was ever finished"
            if age is None
            else f"the last TIP was finished {age:,.0f} s ago"
        )
        return [Reason(
            code="work.old", message=f"{what}, more than {facts.max_age_s:,.0f} s",
            remedy="see noggin-mp status and noggin-mp errors")]  # fmt: skip
    if unhindered and facts.queue.get("ready") and age is not None and age > STALLED_AFTER_S:
        return [Reason(
            code="work.stalled",
            message=f"{facts.queue['ready']:,} TIPs are ready, none was finished for {age:,.0f} s",
            remedy="see noggin-mp errors --since 1h")]  # fmt: skip
    return []


def _leftovers(facts: Facts) -> list[Reason]:
    notes = []
    differing = agreement.differences(facts.policies)
    if differing:
        notes.append(Reason(
            code="policies.differ", message=agreement.sentence(differing),
            remedy=agreement.REMEDY))  # fmt: skip
    dead = facts.tips.get("permanently_failed", 0)
    if dead:
        notes.append(Reason(
            code="tips.dead", message=f"{dead:,} TIPs are dead letters",
            remedy="see noggin-mp tips list --where dead"))  # fmt: skip
    if facts.rejected_rows:
        notes.append(Reason(
            code="input.rejected", message=f"{facts.rejected_rows:,} input rows were rejected",
            remedy="see noggin-mp sources list"))  # fmt: skip
    return notes
