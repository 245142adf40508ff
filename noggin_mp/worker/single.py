"""A worker for one TIP that a person named, whatever its place in the queue."""

from collections.abc import Callable

from noggin_mp.domain import errors, outcome
from noggin_mp.domain.child import ChildContext
from noggin_mp.domain.tip import Tip
from noggin_mp.gateway import files
from noggin_mp.store import queue
from noggin_mp.worker import boot, loop


def entry_for(tip: Tip) -> Callable[[ChildContext], int]:
    """An entry that works on one TIP, whatever its place in the queue, and ends.

    Its exit code is 0 when the TIP came through, 1 when it did not, 4 when the token is refused.
    Raises: InputError when there is no such TIP; AlreadyRunning when another worker has it.
    """

    def entry(context: ChildContext) -> int:
        with boot.started(context) as parts:
            files.require_space(
                parts.settings.paths.output, parts.settings.attachments.min_free_bytes
            )
            with parts.pool.connection() as connection:
                batch = queue.lease_one(
                    connection,
                    holder=parts.holder,
                    tip=tip,
                    lease_s=parts.settings.queue.lease_s,
                )
            if batch is None:
                raise errors.InputError(
                    f"there is no TIP {tip}", remedy="import it first: noggin-mp import FILE"
                )
            if not batch.items:
                raise errors.AlreadyRunning(
                    f"another worker has the TIP {tip} just now", remedy="try again in a moment"
                )
            loop.Worker(context, parts, only=batch).run()
            if parts.gate.why(outcome.Role.API) == "auth_stop":
                return errors.CredentialsError.exit_code
            with parts.pool.connection() as connection:
                return 0 if queue.came_through(connection, tip=tip) else 1

    return entry
