"""All who are told how the fleet is: supervisor.json, the metrics, the log, systemd."""

from collections.abc import Mapping

from noggin_mp.domain import fleet, slots
from noggin_mp.observe import logs, metrics
from noggin_mp.settings import schema
from noggin_mp.supervisor import gauges, holdings, report

log = logs.get("supervisor")


class Telling:
    """Says it when something changed, at the end of each turn of the loop."""

    def __init__(self, held: holdings.Holdings, settings: schema.Settings) -> None:
        """Writes metrics from now on: after their folder was emptied, before the first fork."""
        self._notifier = held.notifier
        self._report = report.Report(settings.paths.state, held)
        self._phase = fleet.Phase.STARTING
        self.gauges = gauges.Gauges(
            metrics.Metrics(slot="supervisor", directory=held.metrics_dir, host=settings.api.host)
        )

    def tell(
        self,
        fleet_: fleet.Fleet,
        *,
        phase: fleet.Phase,
        config: Mapping[str, object],
        leasing: bool,
    ) -> None:
        """Bring everybody up to date."""
        self._note_phase(fleet_, phase)
        self.gauges.show(fleet_, leasing=leasing)
        self._report.publish(fleet_=fleet_, phase=phase, config=config, paused=not leasing)

    def _note_phase(self, fleet_: fleet.Fleet, phase: fleet.Phase) -> None:
        """Tell the log and systemd of a change of the whole fleet's state."""
        if phase is self._phase:
            return
        self._phase = phase
        if phase is fleet.Phase.RUNNING:
            log.info("fleet_running", workers=fleet_.target)
            self._notifier.ready(f"{fleet_.target} workers")
        elif phase is fleet.Phase.DRAINING:
            log.info("fleet_draining", reason=fleet_.reason, exit_code=fleet_.exit_code)
            self._notifier.stopping(fleet_.reason)
        elif phase is fleet.Phase.STOPPED:
            log.info("fleet_stopped", exit_code=fleet_.exit_code, reason=fleet_.reason)

    def dump(self, fleet_: fleet.Fleet, now: float) -> None:
        """Write all that is known to the log."""
        tenants = {slot.name: _tenant(slot, now) for slot in fleet_}
        log.info("state_dumped", fleet=self._report.said, tenants=tenants)


def _tenant(slot: slots.Slot, now: float) -> dict[str, object]:
    return {
        "busy": slot.busy,
        "silent_s": round(now - slot.beat_at, 1) if slot.live else None,
        "stalled_s": slot.stalled_s,
        "age_s": round(now - slot.spawned_at, 1) if slot.live else None,
        "tips": slot.life.tips,
        "rss_bytes": slot.life.rss_bytes,
        "generation": slot.generation,
        "failures": len(slot.failures),
    }
