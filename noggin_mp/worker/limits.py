"""The pacer that a worker's settings ask for."""

from noggin_mp.domain import outcome, pacing, places
from noggin_mp.observe import metrics
from noggin_mp.settings.schema import Settings
from noggin_mp.store import pacing as store
from noggin_mp.store import session
from noggin_mp.worker import pacer


def paced(
    settings: Settings, pool: session.Pool, *, worker: str, meters: metrics.Metrics
) -> pacer.Pacer:
    """A pacer with the limits of the API's host; without any it lets everything pass."""
    return pacer.Pacer(
        store=store.Store(pool, worker=worker),
        limits=rates(settings),
        caps=caps(settings),
        waited=meters.pacing_wait,
    )


def rates(settings: Settings) -> dict[outcome.Role, pacing.Limit]:
    """The rate of each role that has one; roles of one scope share it, and adapt together."""
    host = settings.api.host
    policies = {role: settings.pacing_policy(host, role) for role in outcome.Role}
    scopes = {role: settings.pacing_scope(host, role, "rate") for role in outcome.Role}
    adaptive = {scopes[role] for role, policy in policies.items() if policy["adaptive"]}
    return {
        role: pacing.Limit(
            scope=scopes[role],
            windows=pacing.parse(str(policy["rate"])),
            adaptive=scopes[role] in adaptive,
        )
        for role, policy in policies.items()
        if policy["rate"] is not None
    }


def caps(settings: Settings) -> dict[outcome.Role, places.Cap]:
    """How many requests of each role may be in flight, where that is limited."""
    host = settings.api.host
    limits = {role: settings.pacing_policy(host, role)["max_concurrent"] for role in outcome.Role}
    return {
        role: places.Cap(
            scope=settings.pacing_scope(host, role, "max_concurrent"), limit=int(limit)
        )
        for role, limit in limits.items()
        if limit is not None
    }
