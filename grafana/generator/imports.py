"""The dashboard *Imports*: what came in, and what of it is not worked off."""

from grafana.generator import words
from grafana.generator.parts import Dashboard
from grafana.generator.words import plot, rate, series, stat

ROWS = series("import_rows_total")


def build() -> Dashboard:
    """The dashboard."""
    made = Dashboard(
        uid="noggin-imports",
        title="Noggin / Imports",
        description="Exports and lists that were loaded, and what became of their rows.",
        variables=("datasource", "instance", "type", "runbooks"),
    )
    made.row("Now")
    made.line(
        stat("Rows imported", "Rows of all loads that made a new TIP.",
             f"max({series('import_rows_total', outcome='imported')})"),
        stat("Rows rejected", "Rows of all loads that could not be read; `sources show` has each.",
             f"max({series('import_rows_total', outcome='rejected')})",
             steps=words.NONE_WANTED, runbook="import-stalled.md#rejected-rows"),
        stat("Imports that stalled", "Imports that began and did not end.",
             f"max({series('source_stalled')})", steps=words.NONE_WANTED,
             runbook="import-stalled.md#import-stalled"),
        stat("Unknown names", "Hashes whose name nobody has told.",
             f"max({series('unknown_hashes')})", steps=words.NONE_WANTED,
             runbook="unknown-hashes.md#unknown-hashes"),
        stat("Not settled yet", "TIPs that are ready, wait for their next try, or are leased.",
             'sum(noggin:queue_tips{state=~"ready|later|leased"})',
             runbook="queue.md#queue-growing"),
        height=4,
    )  # fmt: skip
    made.row("Over time")
    made.line(
        plot("Rows loaded", "Rows in each interval. known: the TIP was there already;"
             " duplicate: twice in its file; rejected: could not be read.",
             (f"max by (outcome) (increase({ROWS}[$__rate_interval]))", "{{outcome}}"),
             stacked=True, runbook="import-stalled.md#rejected-rows"),
        plot("Rows, all loads", "The same, since the beginning.",
             (f"max by (outcome) ({ROWS})", "{{outcome}}")),
        plot("Unknown names", "Hashes whose name nobody has told.",
             (f"max({series('unknown_hashes')})", "unknown"),
             runbook="unknown-hashes.md#unknown-hashes"),
    )  # fmt: skip
    kinds = {"type": "~$type"}
    made.line(
        plot("Waiting by type", "TIPs that are ready or wait for their next try.",
             ("sum by (type) (max by (state, type) ("
              f"{series('queue_tips', state='~ready|later', **kinds)}))", "{{type}}"),
             stacked=True, runbook="queue.md#queue-growing"),
        plot("Settled by type", "TIPs per second that need no more work.",
             (rate("tips_total", outcome="~complete|partial|not_found|dead", **kinds, by="type"),
              "{{type}}"), stacked=True),
        plot("Imports that stalled", "Imports that began and did not end.",
             (f"max({series('source_stalled')})", "stalled"),
             runbook="import-stalled.md#import-stalled"),
    )  # fmt: skip
    return made
