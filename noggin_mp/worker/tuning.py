"""What the settings say to a worker's parts, at the boot and when they change under it."""

import random
from typing import Final

from noggin_mp.domain import breaker, outcome, retry
from noggin_mp.settings import layouts
from noggin_mp.settings.schema import Settings
from noggin_mp.worker import job

_PATIENCE_S: Final = 20.0
"""How long a job keeps its TIP while it waits for the gate; then the TIP goes back to the queue."""

MOST_THREADS: Final = 256
"""Source: the upper bound of fleet.threads. Connections are opened only when they are needed."""


class Decide:
    """When a TIP that failed is tried again, by a policy that may be exchanged."""

    def __init__(self, policy: retry.RetryPolicy) -> None:
        self.policy = policy

    def __call__(self, count: int) -> retry.RetryAt | retry.Dead:
        """What follows the failure with this number."""
        return retry.decide(self.policy, count, random.random())  # noqa: S311 - jitter, no secret


def retry_policy(settings: Settings) -> retry.RetryPolicy:
    """When failed TIPs are tried again."""
    return retry.RetryPolicy(**settings.retry.model_dump())


def breaker_policies(settings: Settings) -> dict[outcome.Role, breaker.Policy]:
    """The breaker's policy for each role of the API's host."""
    return {
        role: breaker.Policy(**settings.breaker_policy(settings.api.host, role))  # type: ignore[arg-type]
        for role in outcome.Role
    }


def job_rules(settings: Settings) -> job.Rules:
    """What a job goes by."""
    return job.Rules(
        output=settings.paths.output,
        layout=layouts.compiled(settings.attachments.layout),
        zone=settings.zone,
        max_per_record=settings.attachments.max_per_record,
        retry=retry_policy(settings),
    )


def patience_s(settings: Settings) -> float:
    """How long a request may wait for the gate."""
    return min(_PATIENCE_S, settings.queue.lease_s / 2)
