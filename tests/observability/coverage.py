"""Every panel's and every rule's expression, asked of the Prometheus that watched the run."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tests.observability import dashboards, fast
from tests.observability.stage import Stage

_ALERT_ONLY = " "
"""A rule's name has a blank when it is an alert: it is empty but for its fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one expression gave over the run."""

    name: str
    expr: str
    series: int
    samples: int
    least: float
    most: float

    @property
    def empty(self) -> bool:
        """True when it gave no number at all."""
        return self.samples == 0


def answers(stage: Stage, end: float) -> list[Answer]:
    """The answers of all panels and recording rules over the whole run."""
    return [_answer(stage, name, expression, end) for name, expression in _all()]


def _all() -> Iterator[tuple[str, str]]:
    for one in dashboards.shown():
        yield one.name, one.asked()
    for name in fast.expressions():
        if _ALERT_ONLY not in name:
            yield f"rule {name}", name


def alert_answers(stage: Stage, end: float) -> list[Answer]:
    """The answers of the alerts' expressions; each is empty unless its fault was played."""
    return [
        _answer(stage, f"alert {name}", fast.quickened(expression, name.partition(" ")[0]), end)
        for name, expression in fast.expressions().items()
        if _ALERT_ONLY in name
    ]


def _answer(stage: Stage, name: str, expression: str, end: float) -> Answer:
    found = stage.prometheus.series(expression, stage.began, end)
    values = [v for series in found.values() for _, v in series if math.isfinite(v)]
    return Answer(
        name=name,
        expr=expression,
        series=len(found),
        samples=len(values),
        least=min(values, default=math.nan),
        most=max(values, default=math.nan),
    )
