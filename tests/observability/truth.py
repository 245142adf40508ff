"""Prometheus's numbers beside the simulator's log and the database: equal, or named."""

import contextlib
from dataclasses import dataclass

from tests.observability.stage import Stage
from tests.support import wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One number as Prometheus has it, and as it is."""

    what: str
    expression: str
    seen: float
    true: float

    @property
    def equal(self) -> bool:
        """True when there is no difference at all."""
        return self.seen == self.true


def pairs(stage: Stage) -> list[Pair]:
    """Every comparison, once Prometheus has the final numbers; the fleet must be idle."""
    wanted = _wanted(stage)
    stage.seen(timeout_s=60)
    found = list[Pair]()

    def settled() -> bool:
        # What comes from SQL is sampled, and what is recorded is evaluated, after the scrape.
        found[:] = [_pair(stage, *one) for one in wanted]
        return all(one.equal for one in found)

    with contextlib.suppress(AssertionError):  # the comparison says by how much it differs
        wait.until(settled, timeout_s=30, every_s=0.5)
    return found


def _pair(stage: Stage, what: str, expression: str, true: float) -> Pair:
    seen = stage.prometheus.vector(expression)
    value = next(iter(seen.values())) if len(seen) == 1 else float("nan")
    return Pair(what=what, expression=expression, seen=value, true=true)


def _wanted(stage: Stage) -> list[tuple[str, str, float]]:
    log = stage.api.log()
    statuses = [entry["status"] for entry in log]
    rows: list[tuple[str, str, float]] = [
        ("requests", "sum(noggin_requests_total)", len(log)),
        ("requests timed", "sum(noggin_request_duration_seconds_count)", len(log)),
        ("failures", "sum(noggin_request_failures_total)",
         sum(status != 200 for status in statuses)),
    ]  # fmt: skip
    for role in ("api", "media"):
        of_role = [entry for entry in log if entry["role"] == role]
        rows += [
            (f"requests, {role}", f'sum(noggin_requests_total{{role="{role}"}})', len(of_role)),
            (f"bytes, {role}", f'sum(noggin_downloaded_bytes_total{{role="{role}"}})',
             sum(entry["bytes"] for entry in of_role)),
        ]  # fmt: skip
    for reason in ("http_401", "http_404", "http_429", "http_500", "http_503"):
        rows.append(
            (reason, f'sum(noggin_request_failures_total{{reason="{reason}"}})',
             statuses.count(int(reason.removeprefix("http_"))))
        )  # fmt: skip
    answered = [one for one in log if one["role"] == "media" and one["status"] == 200]
    published = 'sum(noggin_attachments_total{outcome="published"})'
    return [*rows, ("files published", published, len(answered)), *_of_database(stage)]


def _of_database(stage: Stage) -> list[tuple[str, str, float]]:
    def counted(query: str) -> float:
        return float(stage.site.value(query))

    return [
        ("breaker opens", "sum(noggin_breaker_opens_total)",
         counted("SELECT count(*) FROM breaker_events WHERE event_type = 'trip'")),
        ("completed TIPs", 'sum(noggin_tips_total{outcome="complete"})',
         counted("SELECT count(*) FROM noggin_data WHERE processing_status = 'complete'")),
        ("TIPs not found", 'sum(noggin_tips_total{outcome="not_found"})',
         counted("SELECT count(*) FROM noggin_data WHERE processing_status = 'not_found'")),
        ("dead letters", 'max(noggin:queue_tips{state="dead"})',
         counted("SELECT count(*) FROM noggin_data WHERE permanently_failed")),
        ("rows imported", 'max(noggin_import_rows_total{outcome="imported"})',
         counted("SELECT coalesce(sum(rows_imported), 0) FROM sources")),
        ("unknown names", "max(noggin_unknown_hashes)",
         counted("SELECT count(*) FROM unknown_hashes WHERE resolved_at IS NULL")),
    ]  # fmt: skip
