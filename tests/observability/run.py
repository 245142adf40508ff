"""The phases in their order, the alerts each must raise, and what holds of the whole run."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.observability import phases_api as api
from tests.observability import phases_host as host
from tests.observability.stage import Mark, Stage
from tests.support import wait

ALERT_S = 90.0
CALM_S = 60.0
"""Twice the quick form of an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A fault and the alerts, as `name severity`, that it must raise within ALERT_S.

    `silences`: alerts that Alertmanager must hold back. It lasts at least `least_s`.
    `needs_mount`: only where the output folder is a file system of its own. `exact`: afterwards
    the fleet is left to finish and every counter is compared.
    """

    name: str
    fault: Callable[[Stage], "contextlib.AbstractContextManager[None]"]
    wants: tuple[str, ...] = ()
    silences: tuple[str, ...] = ()
    least_s: float = 0.0
    needs_mount: bool = False
    exact: bool = False


FULL = (
    Phase(name="calm", fault=api.calm, least_s=CALM_S, exact=True),
    Phase(name="failures", fault=api.failures,
          wants=("NogginHighFailureRate critical", "NogginFailureAboveTarget warning",
                 "NogginCompletionLow warning"), exact=True),
    Phase(name="slow", fault=api.slow, least_s=8, exact=True),
    Phase(name="rate limit", fault=host.rate_limit, least_s=8, exact=True),
    Phase(name="outage", fault=api.outage, wants=("NogginBreakerOpenLong critical",), exact=True),
    Phase(name="flapping", fault=api.flapping,
          wants=("NogginBreakerFlapping critical", "NogginBreakerDaily warning"),
          silences=("NogginBreakerDaily",), exact=True),
    Phase(name="throttled", fault=api.throttled, least_s=4, exact=True),
    Phase(name="token refused", fault=api.refused_token, wants=("NogginAuthStopped critical",),
          exact=True),
    Phase(name="token expires in days", fault=host.nothing_to_do,
          wants=("NogginTokenExpiring warning",)),
    Phase(name="token expires in an hour", fault=api.expiring_token,
          wants=("NogginTokenExpiring critical",)),
    Phase(name="missing attachments", fault=api.missing_files,
          wants=("NogginDeadLetters warning",), exact=True),
    Phase(name="import stalled", fault=host.stalled_import,
          wants=("NogginImportStalled warning",)),
    Phase(name="names unknown", fault=host.forgotten_names,
          wants=("NogginUnknownHashes info",), exact=True),
    Phase(name="reload refused", fault=host.refused_reload,
          wants=("NogginReloadFailed warning",)),
    Phase(name="old transaction", fault=host.old_transaction, wants=("NogginOldXmin warning",)),
    Phase(name="host silent", fault=host.silent_host, wants=("NogginHostSilent critical",)),
    Phase(name="paused by people", fault=host.growing, wants=("NogginQueueGrowing warning",)),
    Phase(name="disk full", fault=host.full_disk, needs_mount=True,
          wants=("NogginDiskLow info", "NogginDiskLow warning", "NogginDiskLow critical"),
          silences=("NogginDiskLow",)),
    Phase(name="workers frozen", fault=host.stopped_workers,
          wants=("NogginQueueStalled critical",)),
    Phase(name="worker killed", fault=host.killed_worker,
          wants=("NogginLeasesReaped warning",)),
    Phase(name="slot parked", fault=host.crashing_worker,
          wants=("NogginWorkerParked critical", "NogginWorkerMissing warning"),
          silences=("NogginWorkerMissing",)),
    Phase(name="database gone", fault=host.no_database,
          wants=("NogginDatabaseUnreachable critical",)),
    Phase(name="no imports for long", fault=host.nothing_to_do,
          wants=("NogginNoActivity warning",)),
    Phase(name="fleet stopped", fault=host.stopped_fleet, wants=("NogginDown critical",),
          least_s=8),
)  # fmt: skip

SHORT = (
    Phase(name="calm", fault=api.calm, least_s=5, exact=True),
    Phase(name="token refused", fault=api.refused_token, wants=("NogginAuthStopped critical",),
          exact=True),
    Phase(name="reload refused", fault=host.refused_reload,
          wants=("NogginReloadFailed warning",)),
)  # fmt: skip


def play(
    stage: Stage,
    phases: Sequence[Phase],
    after: Callable[[Stage, Phase], None],
    tell: Callable[[Mark], None] = lambda mark: None,
    *,
    looks: int = 1,
) -> None:
    """Run the phases; `after` is called for each `exact` one, once the fleet is idle.

    `tell` hears of each phase that is over. In fast time a machine that stands still for some
    seconds is an outage: a calm phase may have so many `looks` until no alert fires.

    Raises: AssertionError when an alert does not fire, or any does in the calm phase.
    """
    for phase in phases:
        if phase.needs_mount and not stage.mounted:
            continue
        mark = _played(stage, phase)
        for _ in range(looks - 1):
            if phase.name != "calm" or not mark.fired:
                break
            wait.until(
                lambda: not stage.prometheus.firing(), timeout_s=ALERT_S, every_s=0.25,
                what="the end of what fired",
            )  # fmt: skip
            mark = _played(stage, phase)
        stage.marks.append(mark)
        tell(mark)
        if phase.name == "calm":
            assert not mark.fired, f"in the calm phase fired: {sorted(mark.fired)}"
        if phase.exact:
            stage.idle()
            after(stage, phase)


def _played(stage: Stage, phase: Phase) -> Mark:
    start = time.time()
    fired: dict[str, float] = {}

    def all_fire() -> bool:
        for alert in stage.prometheus.firing():
            fired.setdefault(alert, time.time() - start)
        return set(phase.wants) <= set(fired) and time.time() - start >= phase.least_s

    with phase.fault(stage):
        wait.until(
            all_fire, timeout_s=ALERT_S + phase.least_s, every_s=0.25,
            what=f"{phase.name}: {', '.join(phase.wants)}; firing so far: {sorted(fired)}",
        )  # fmt: skip
        _told(stage, phase)
    return Mark(
        name=phase.name,
        start=start,
        end=time.time(),
        wanted=frozenset(phase.wants),
        fired_after_s={name: fired[name] for name in phase.wants},
        fired=frozenset(fired),
    )


def _told(stage: Stage, phase: Phase) -> None:
    """Alertmanager has heard of the alerts, and holds back those that it should."""
    names = {alert.split()[0] for alert in phase.wants}
    wait.until(
        lambda: names <= {one["labels"]["alertname"] for one in stage.alertmanager.alerts()},
        timeout_s=ALERT_S, every_s=0.25, what=f"{names} at Alertmanager",
    )  # fmt: skip
    wait.until(
        lambda: set(phase.silences) <= stage.alertmanager.inhibited(),
        timeout_s=ALERT_S, every_s=0.25, what=f"{phase.silences} held back",
    )  # fmt: skip
