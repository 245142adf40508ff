"""Short ways to write the panels' expressions, and what values mean."""

from typing import Any

from grafana.generator import parts
from grafana.generator.parts import Panel, Target

BREAKER = {
    "0": ("closed", parts.GREEN),
    "1": ("half-open", parts.YELLOW),
    "2": ("open", parts.RED),
    "3": ("paused", parts.BLUE),
    "4": ("auth stop", parts.PURPLE),
    "5": ("forced open", parts.ORANGE),
}
UP = {"0": ("down", parts.RED), "1": ("up", parts.GREEN)}
YES = {"0": ("no", parts.GREEN), "1": ("yes", parts.ORANGE)}
LEADS = {"0": ("no", parts.GREY), "1": ("leads", parts.GREEN)}
RELOAD = {"0": ("refused", parts.RED), "1": ("accepted", parts.GREEN)}
FIRING = {"1": ("firing", parts.RED)}

GOOD_LOW = ((None, parts.GREEN), (0.05, parts.ORANGE), (0.2, parts.RED))
GOOD_HIGH = ((None, parts.RED), (0.9, parts.ORANGE), (0.95, parts.GREEN))
NONE_WANTED = ((None, parts.GREEN), (1, parts.ORANGE))


def series(name: str, **labels: str) -> str:
    """`noggin_<name>{...}` on the chosen hosts; a value that starts with `~` is a pattern."""
    chosen = {"instance": "~$instance", **labels}
    conditions = ", ".join(
        f'{label}=~"{value[1:]}"' if value.startswith("~") else f'{label}="{value}"'
        for label, value in chosen.items()
    )
    return f"noggin_{name}{{{conditions}}}"


def rate(name: str, by: str, **labels: str) -> str:
    """Per second, added up by labels."""
    return f"sum by ({by}) (rate({series(name, **labels)}[$__rate_interval]))"


def grown(name: str, by: str, **labels: str) -> str:
    """By how much it grew in each interval, added up by labels."""
    return f"sum by ({by}) (increase({series(name, **labels)}[$__rate_interval]))"


def quantiles(name: str, by: str = "", **labels: str) -> tuple[Target, ...]:
    """The median, 95th and 99th percentile of a histogram."""
    bounds = f"le, {by}" if by else "le"
    inner = f"sum by ({bounds}) (rate({series(name + '_bucket', **labels)}[$__rate_interval]))"
    return tuple(
        Target(
            expr=f"histogram_quantile({share / 100:g}, {inner})",
            legend=f"p{share} {{{{{by}}}}}" if by else f"p{share}",
        )
        for share in (50, 95, 99)
    )


def plot(title: str, description: str, *targets: tuple[str, str], **more: Any) -> Panel:
    """A panel of (expression, legend) pairs over time."""
    made = tuple(Target(expr=expr, legend=legend) for expr, legend in targets)
    return Panel(title=title, description=description, targets=made, **more)


def stat(title: str, description: str, expr: str, **more: Any) -> Panel:
    """A panel with one number."""
    targets = (Target(expr=expr, legend=title),)
    return Panel(title=title, description=description, targets=targets, kind="stat", **more)


def timeline(title: str, description: str, expr: str, legend: str, **more: Any) -> Panel:
    """A panel with one coloured band per series."""
    targets = (Target(expr=expr, legend=legend),)
    return Panel(
        title=title,
        description=description,
        targets=targets,
        kind="state-timeline",
        least=None,
        **more,
    )
