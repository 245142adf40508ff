"""The dashboard *Record types*: the same questions for each type of object."""

from grafana.generator import words
from grafana.generator.parts import Dashboard, Panel, Target
from grafana.generator.words import plot, quantiles, rate, series, stat

KINDS = {"type": "~$type"}
DONE = {"outcome": "~complete|partial|retried|dead"}


def build() -> Dashboard:
    """The dashboard."""
    made = Dashboard(
        uid="noggin-types",
        title="Noggin / Record types",
        description="How each type of record fares.",
        variables=("datasource", "instance", "type", "runbooks"),
    )
    complete = series("tips_total", outcome="complete", **KINDS)
    done = series("tips_total", **DONE, **KINDS)
    share = f"sum(increase({complete}[1h])) / (sum(increase({done}[1h])) > 0)"
    made.row("Now")
    made.line(
        stat("Completed, 1 h", "TIPs of the chosen types that were completed.",
             f"round(sum(increase({complete}[1h])))"),
        stat("Share completed, 1 h", "Of those that workers were done with. Target: 95 %.", share,
             unit="percentunit", steps=words.GOOD_HIGH, runbook="failures.md#completion-low"),
        stat("Waiting", "TIPs that are ready, wait for their next try, or are leased.",
             "sum(max by (state, type) ("
             f"{series('queue_tips', state='~ready|later|leased', **KINDS)}))"),
        stat("Dead letters", "TIPs that are not tried any more.",
             f"sum(max by (type) ({series('queue_tips', state='dead', **KINDS)}))",
             steps=words.NONE_WANTED, runbook="dead-letters.md#dead-letters"),
        height=4,
    )  # fmt: skip
    made.row("By type")
    made.line(
        plot("Done by type", "TIPs per second that workers were done with.",
             (rate("tips_total", **DONE, **KINDS, by="type"), "{{type}}"), stacked=True),
        plot("Outcomes by type", "TIPs per second, by type and outcome.",
             (rate("tips_total", **KINDS, by="type, outcome") + " > 0", "{{type}} {{outcome}}"),
             runbook="failures.md#completion-low"),
        plot("Share completed by type", "In the last hour.",
             (f"sum by (type) (increase({complete}[1h]))"
              f" / (sum by (type) (increase({done}[1h])) > 0)", "{{type}}"),
             unit="percentunit", most=1, runbook="failures.md#completion-low"),
    )  # fmt: skip
    made.line(
        plot("Time per TIP", "From lease to result, by type.",
             *((one.expr, one.legend) for one in
               quantiles("tip_duration_seconds", **KINDS, by="type")), unit="s"),
        plot("Size of attachments", "Of published files, all types.",
             *((one.expr, one.legend) for one in quantiles("attachment_size_bytes")),
             unit="bytes"),
        Panel(title="Queue by type and state", description="TIPs in the queue as it is now.",
              kind="table", targets=(Target(
                  expr=f"max by (type, state) ({series('queue_tips', **KINDS)})",
                  legend="{{type}} {{state}}"),)),
    )  # fmt: skip
    return made
