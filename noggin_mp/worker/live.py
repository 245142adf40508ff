"""New settings for a worker at work: what is live is taken over between two turns of its loop."""

from collections.abc import Iterator, Mapping

from noggin_mp.domain import child
from noggin_mp.observe import logs
from noggin_mp.settings.schema import Settings
from noggin_mp.store import place
from noggin_mp.worker import boot, limits, tuning


def taken_over(context: child.ChildContext, parts: boot.Parts) -> Iterator[tuple[int, Settings]]:
    """Versions and settings ordered since the last call, each after all parts go by them."""
    for order in context.orders():
        if order.name == child.SETTINGS and isinstance(order.body, Mapping):
            fresh = order.body["settings"]
            assert isinstance(fresh, Settings)
            apply(parts, fresh)
            yield order.body["version"], fresh


def apply(parts: boot.Parts, fresh: Settings) -> None:
    """Have every part go by `fresh`: requests and jobs that begin from now on.

    Jobs in hand keep the retry policy that they began with, as a lease keeps its time. The token
    is read anew in any case.
    """
    logs.configure(**fresh.log_options)
    parts.tokens.configure(fresh)
    parts.decide.policy = tuning.retry_policy(fresh)
    parts.carrier.configure(tuning.job_rules(fresh), patience_s=tuning.patience_s(fresh))
    parts.pool.timeout = place.patience_s(fresh.fleet.watchdog_s)
    parts.ledger.lease_s = fresh.queue.lease_s
    parts.gate.configure(tuning.breaker_policies(fresh), capacity=fresh.fleet.threads)
    parts.gate.pacer.configure(limits.rates(fresh))
    parts.gate.wake()
