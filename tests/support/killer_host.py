"""A fleet one of whose TIPs kills whoever works on it, or holds its first thread for ever.

`python -m tests.support.killer_host CONFIG TIP [kill|hold]` is `run --until-drained --horizon 30`
with one job patched before the fork.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from noggin_mp.gateway import files, objects
from noggin_mp.monitor import app
from noggin_mp.observe import logs, metrics
from noggin_mp.settings import loader
from noggin_mp.store import queue
from noggin_mp.supervisor import contexts, loop
from noggin_mp.worker import fetch
from noggin_mp.worker import loop as worker_loop


def hold(mark: Path) -> None:
    """Never return, the first time."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return
    threading.Event().wait()


def main(config: Path, tip: str, what: str = "kill") -> int:
    """The fleet's exit code."""
    harmless = fetch.Fetcher.fetch_record

    def deadly(
        self: fetch.Fetcher, item: queue.Leased, *, endpoint: str, cancelled: Callable[[], bool]
    ) -> objects.Fetched:
        if item.tip == tip and what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif item.tip == tip:
            hold(config.with_name("held"))
        return harmless(self, item, endpoint=endpoint, cancelled=cancelled)

    fetch.Fetcher.fetch_record = deadly  # type: ignore[method-assign]
    settings = loader.load(config, env=os.environ)
    logs.configure(level=settings.log.level, format=settings.log.format)
    files.ensure_writable(settings.paths.output)
    supervisor = loop.Supervisor(
        settings,
        worker_entry=worker_loop.main,
        monitor_entry=app.main,
        options=contexts.Options(
            until_drained=True,
            horizon_s=30.0,
            prepare_metrics=metrics.prepare,
        ),
    )
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
