"""A worker's start and end: connections, its slot, its collaborators."""

import contextlib
import dataclasses
import datetime
import math
import os
import queue as queues
import threading
from collections.abc import Iterator
from typing import Any

from noggin_mp import __version__
from noggin_mp.domain import holds
from noggin_mp.domain.child import ChildContext
from noggin_mp.domain.object_types import Catalogue
from noggin_mp.gateway import http, media
from noggin_mp.observe import logs, metrics, session_log
from noggin_mp.settings import catalogue
from noggin_mp.settings.schema import Settings
from noggin_mp.store import breaker, dsn, place, queue, session
from noggin_mp.worker import (
    credentials,
    examiner,
    fetch,
    gate,
    job,
    ledger,
    limits,
    pulse,
    settling,
    tenancy,
    tuning,
)

log = logs.get("worker")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A worker's collaborators, made once after the fork."""

    settings: Settings
    holder: queue.Holder
    pool: session.Pool
    gate: gate.Gate
    tokens: credentials.TokenSource
    decide: tuning.Decide
    carrier: job.Job
    ledger: ledger.Ledger
    buffer: settling.Buffer
    pulse: pulse.Pulse
    examiner: examiner.Examiner
    meters: metrics.Metrics
    inbox: queues.SimpleQueue[job.Result | None]


@contextlib.contextmanager
def started(context: ChildContext) -> Iterator[Parts]:
    """A worker ready to lease; signed off and closed afterwards.

    Raises: NogginError when it cannot boot: schema, a second instance, credentials, database.
    """
    settings = context.settings
    assert isinstance(settings, Settings)
    holder = queue.Holder(
        host=settings.fleet.host, slot=context.slot, instance=context.instance, boot=context.boot
    )
    where = place.Place(
        # The supervisor, or whoever runs us, has started the embedded server already.
        dsn=dsn.resolve(settings.database.dsn, settings.paths.state, start=True),
        schema_name=settings.database.schema_name,
        application_name=f"noggin-mp/{holder.host}/{holder.slot}",
        patience_s=place.patience_s(settings.fleet.watchdog_s),
    )
    logs.configure(**settings.log_options)
    logs.bind(worker=str(holder.slot))
    with contextlib.ExitStack() as stack:
        with session.telling(where.dsn):  # the database's absence is no worker's fault
            parts = _set_up(context, settings, holder, where, stack)
        log.info(
            "worker_started", pid=os.getpid(), boot=holder.boot, threads=settings.fleet.threads
        )
        yield parts
        log.info("worker_stopped")


def _set_up(
    context: ChildContext,
    settings: Settings,
    holder: queue.Holder,
    where: place.Place,
    stack: contextlib.ExitStack,
) -> Parts:
    """Sessions, the slot, collaborators, the beat; `stack` takes them down again."""
    stopped = threading.Event()
    listener = where.listen()
    tenancy.take_slot(listener, holder, context)
    pool = stack.enter_context(where.pool())
    with pool.connection() as connection:
        returned = tenancy.move_in(connection, holder, settings)
    stack.callback(tenancy.sign_off, pool, holder)
    parts = _build(context, settings, holder, pool, where, stopped)
    if returned:
        parts.meters.leases_reaped(returned)
    parts.pulse.beat()
    parts.pulse.start(listener)
    stack.callback(parts.pulse.join, 2.0)
    stack.callback(parts.gate.pacer.close)
    stack.callback(stopped.set)
    return parts


def _build(
    context: ChildContext,
    settings: Settings,
    holder: queue.Holder,
    pool: session.Pool,
    where: place.Place,
    stopped: threading.Event,
) -> Parts:
    types = catalogue.of(settings)
    meters = metrics.Metrics(
        slot=str(holder.slot),
        directory=context.metrics_dir,
        host=settings.api.host,
        types=types.by_code,
    )
    tokens = credentials.TokenSource(settings)
    inbox: queues.SimpleQueue[Any] = queues.SimpleQueue()
    doors = _gate(settings, holder, pool, tokens, meters)
    client = _client(settings, holder, tokens, meters)
    held = ledger.Ledger(lease_s=settings.queue.lease_s)
    decide = tuning.Decide(tuning.retry_policy(settings))
    return Parts(
        settings=settings,
        holder=holder,
        pool=pool,
        gate=doors,
        tokens=tokens,
        decide=decide,
        carrier=_job(settings, holder, pool, client, doors, meters, types),
        ledger=held,
        buffer=settling.Buffer(
            pool=pool,
            held=held,
            meters=meters,
            decide=decide,
            session_log=_session_log(context, settings),
        ),
        pulse=pulse.Pulse(
            pool=pool,
            listen=where.listen,
            holder=holder,
            gate=doors,
            meters=meters,
            inbox=inbox,
            stopped=stopped,
        ),
        examiner=examiner.Examiner(
            gate=doors,
            client=client,
            pool=pool,
            catalogue=types,
            meters=meters,
            stopping=lambda: stopped.is_set() or context.stopping(),
        ),
        meters=meters,
        inbox=inbox,
    )


def _session_log(context: ChildContext, settings: Settings) -> session_log.SessionLog:
    """The run's session log; a worker without a supervisor is a run of its own."""
    began = datetime.datetime.fromtimestamp(context.boot / 1e9, settings.zone)
    name = str(context.options.get("session") or session_log.file_name(began))
    return session_log.SessionLog(settings.paths.log / name, zone=settings.zone)


def _gate(
    settings: Settings,
    holder: queue.Holder,
    pool: session.Pool,
    tokens: credentials.TokenSource,
    meters: metrics.Metrics,
) -> gate.Gate:
    host = settings.api.host

    def changed(change: holds.Change) -> None:
        if change.scope != holds.FLEET:  # people's pause of the fleet is no breaker's
            meters.breaker_transition(change.scope, change.new)
        log.warning(
            "breaker_changed",
            scope=change.scope,
            old=change.old,
            new=change.new,
            reason=change.reason,
            # An end that nobody knows is null: Infinity is no JSON.
            remaining_s=round(change.remaining_s, 1) if change.remaining_s < math.inf else None,
        )

    return gate.Gate(
        store=breaker.Store(pool, worker=holder.worker_id),
        worker=holder.worker_id,
        host=host,
        policy=tuning.breaker_policies(settings),
        capacity=settings.fleet.threads,
        fingerprint=tokens.fingerprint,
        changed=changed,
        tripped=meters.breaker_open,
        pacer=limits.paced(settings, pool, worker=holder.worker_id, meters=meters),
    )


def _client(
    settings: Settings,
    holder: queue.Holder,
    tokens: credentials.TokenSource,
    meters: metrics.Metrics,
) -> http.Client:
    return http.Client(
        base_url=settings.api.base_url,
        media_url=settings.api.media_url,
        namespace=settings.api.namespace,
        token=tokens.token,
        timeouts=http.Timeouts(
            connect_s=settings.api.connect_timeout_s,
            read_s=settings.api.read_timeout_s,
            deadline_s=settings.api.deadline_s,
        ),
        threads=tuning.MOST_THREADS,  # so that they may become more under way
        user_agent=f"noggin-mp/{__version__} {holder.worker_id}",
        meters=meters,
    )


def _job(
    settings: Settings,
    holder: queue.Holder,
    pool: session.Pool,
    client: http.Client,
    doors: gate.Gate,
    meters: metrics.Metrics,
    types: Catalogue,
) -> job.Job:
    fetcher = fetch.Fetcher(
        gate=doors,
        host=settings.api.host,
        client=client,
        limits=media.MediaLimits(max_bytes=settings.attachments.max_bytes),
        hashes=tuple(settings.attachments.hashes),
        meters=meters,
        patience_s=tuning.patience_s(settings),
    )
    return job.Job(
        fetcher=fetcher,
        catalogue=types,
        pool=pool,
        rules=tuning.job_rules(settings),
        worker_id=holder.worker_id,
    )
