"""What the monitor serves: /metrics, /healthz, /readyz, the status page, and its data as JSON."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jinja2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from noggin_mp import __version__
from noggin_mp.domain import errors, health
from noggin_mp.gateway import files
from noggin_mp.monitor import samples
from noggin_mp.observe import logs, metrics
from noggin_mp.settings.schema import Settings

_STOP_S: Final = 2.0
_SCHEMA_VERSION: Final = 1

log = logs.get("monitor")


class Server:
    """The HTTP side of a monitor, in its own thread; answers come from memory or files."""

    def __init__(
        self,
        *,
        sampler: samples.Sampler,
        settings: Settings,
        metrics_dir: Path,
        stopping: Callable[[], bool],
    ) -> None:
        self._sampler = sampler
        self._settings = settings
        self._metrics_dir = metrics_dir
        self._stopping = stopping
        self._thread: threading.Thread | None = None
        loader = jinja2.FileSystemLoader(Path(__file__).parent)
        self._page = jinja2.Environment(loader=loader, autoescape=True).get_template("status.html")
        routes = [
            Route("/", self._status_page),
            Route("/status.json", self._status_json),
            Route("/metrics", self._metrics),
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
        ]
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                Starlette(routes=routes),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )

    def start(self, listen_fd: int) -> None:
        """Serve on the socket that the supervisor has bound; it stays open when we die."""
        taken = socket.socket(fileno=listen_fd).dup()
        self._thread = threading.Thread(target=self._serve, args=(taken,), name="http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being answered and stop."""
        self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def _serve(self, listening: socket.socket) -> None:
        with contextlib.closing(listening):
            asyncio.run(self._uvicorn.serve(sockets=[listening]))

    # The answers. Those that read files run in a thread of starlette's pool, being plain functions.

    def _metrics(self, request: Request) -> Response:
        body = metrics.collect(self._metrics_dir, [samples.Gauges(self._sampler)])
        return Response(body, media_type=metrics.CONTENT_TYPE)

    def _healthz(self, request: Request) -> Response:
        verdict = self._verdict()
        if verdict is None:
            return PlainTextResponse(f"database: {self._sampler.error}\n", status_code=503)
        lines = [f"{reason.code}: {reason.message}" for reason in verdict.reasons] or ["ok"]
        return PlainTextResponse(
            "\n".join(lines) + "\n", status_code=200 if verdict.healthy else 503
        )

    def _readyz(self, request: Request) -> Response:
        """Ready to answer for the fleet: the database has been read lately."""
        if self._sampler.latest is None:
            return PlainTextResponse(f"database: {self._sampler.error}\n", status_code=503)
        return PlainTextResponse("ok\n")

    def _status_json(self, request: Request) -> Response:
        return JSONResponse({"schema_version": _SCHEMA_VERSION, **self._view()})

    def _status_page(self, request: Request) -> Response:
        return HTMLResponse(self._page.render(view=self._view(), version=__version__))

    def _verdict(self) -> health.Verdict | None:
        """The verdict on this fleet; None while the database cannot be read."""
        sample = self._sampler.latest
        if sample is None:
            return None
        free: int | None = None
        with contextlib.suppress(errors.LocalTrouble):
            free = files.free_bytes(self._settings.paths.output)
        snapshot = sample.snapshot
        return health.judge(
            health.Facts(
                supervisor=self._supervisor(),
                workers=snapshot.workers,
                breakers=snapshot.breakers,
                tips=snapshot.tips,
                queue=snapshot.queue,
                paused=snapshot.paused,
                pause_reason=snapshot.pause_reason,
                finished_age_s=None,
                rejected_rows=0,
                free_bytes=free,
                min_free_bytes=self._settings.attachments.min_free_bytes,
            )
        )

    def _supervisor(self) -> dict[str, Any]:
        """What our own supervisor last wrote down; a lone monitor has none."""
        said: dict[str, Any] = {"state": "running"}
        with contextlib.suppress(OSError, ValueError):
            said |= json.loads((self._settings.paths.state / "supervisor.json").read_text())
        return said

    def _view(self) -> dict[str, Any]:
        sample, verdict = self._sampler.latest, self._verdict()
        view: dict[str, Any] = {
            "host": self._settings.fleet.host,
            "api_host": self._settings.api.host,
            "healthy": bool(verdict and verdict.healthy),
            "reasons": [
                {"code": one.code, "message": one.message, "remedy": one.remedy}
                for one in (verdict.reasons if verdict else ())
            ],
        }
        if sample is None or verdict is None:
            view["reasons"] = [{"code": "database", "message": self._sampler.error, "remedy": ""}]
            return view
        snapshot = sample.snapshot
        return view | {
            "tips": snapshot.tips,
            "queue": snapshot.queue,
            "breakers": [
                {**one, "until": one["until"].isoformat() if one["until"] else None}
                for one in snapshot.breakers
            ],
            "workers": snapshot.workers,
            "paused": snapshot.paused,
        }
