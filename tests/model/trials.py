"""Trials: who may send the one request (`breaker_try_probe`), what its end means (`..._done`)."""

from noggin_mp.domain.breaker import Event
from tests.model.draft import Draft
from tests.model.shapes import AUTH_STOP, HALF_OPEN, LEASE, OPENED, RETRY, Request


def due(new: Draft, token: int) -> bool:
    """Would `breaker_try_probe` grant a trial to a worker with this token now?"""
    row, state, guards = new.row, new.effective(), new.guards
    untried = token not in row.refused or not guards.fingerprint
    if state == OPENED:
        waiting = row.until <= 0
    elif state == AUTH_STOP:
        waiting = untried and row.until <= 0
    else:
        waiting = state == HALF_OPEN and (not row.refused or untried)
    return waiting and row.paused <= 0 and lease_over(new)


def lease_over(new: Draft) -> bool:
    row = new.row
    kept = new.guards.lease_outlives_acts or row.state == HALF_OPEN
    return not kept or row.lease <= 0 or not new.guards.lease


def locked(new: Draft) -> bool:
    """Has a session the probe's lock?"""
    return new.guards.session_lock and any(worker.lock for worker in new.workers)


def grant(new: Draft, number: int) -> None:
    """The second half of `breaker_try_probe`."""
    token = new.workers[number].token
    new.require(due(new, token), "a trial was granted when none was due")
    burnt = token in new.row.burnt and new.guards.fingerprint
    new.require(not burnt, "a token was tried again that had been refused")
    new.change(state=new.moved(Event.PROBE), until=0, lease=LEASE)
    new.unowned()
    new.set(number, owner=True, lock=1)


def tried(new: Draft, number: int, request: Request, result: str) -> None:
    """`breaker_probe_done`."""
    row, own = new.row, new.workers[number].owner
    mine = row.state == HALF_OPEN and row.epoch[0] == request.epoch[0] and own
    new.set(number, lock=0)
    if not mine and new.guards.trial_epoch:
        if new.guards.lease_outlives_acts and row.lease:
            new.row = row._replace(lease=0)  # it held the lock: the lease was its own
        return
    if row.refused:
        tried_token(new, request, result)
    elif result == "fail":
        new.opened(Event.TRIAL_FAILED)
    elif result == "ok" and row.trials + 1 >= new.size.successes:
        new.closed(Event.TRIAL_PASSED)
    else:
        passed = row.trials + (result == "ok")
        new.change(trials=passed, lease=0)
        new.unowned()


def tried_token(new: Draft, request: Request, result: str) -> None:
    if result == "ok":
        changed = request.token not in new.row.refused
        new.require(changed, "an auth stop ended without another token or a person")
        new.closed(Event.TRIAL_PASSED, auth=True)
        return
    refused, burnt = new.row.refused, new.row.burnt
    if result == "401":
        burnt = tuple(sorted({*burnt, request.token}))
        refused = tuple(sorted({*refused, request.token}))
        refused = refused if new.guards.remembers else (request.token,)
    until = 0 if result == "401" else RETRY
    state = new.moved(Event.REFUSE)
    new.change(state=state, until=until, refused=refused, burnt=burnt, lease=0)
    new.unowned()
