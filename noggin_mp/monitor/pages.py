"""What the monitor serves: /metrics, /healthz, /readyz, the status page, and its data as JSON."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

import jinja2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from noggin_mp import __version__
from noggin_mp.domain import breaker, errors, health, outcome
from noggin_mp.gateway import files
from noggin_mp.monitor import samples
from noggin_mp.observe import metrics
from noggin_mp.settings.schema import Settings

_SCHEMA_VERSION: Final = 1


class Server:
    """The HTTP side of a monitor, in its own thread; answers come from memory or files.

    `types` are the codes of the object types. `supervisor_pid` is the parent's process id: what
    supervisor.json says counts only when it was written by that one.
    """

    def __init__(
        self,
        *,
        sampler: samples.Sampler,
        settings: Settings,
        types: Collection[str],
        metrics_dir: Path,
        supervisor_pid: int,
    ) -> None:
        self._sampler = sampler
        self._settings = settings
        self._metrics_dir = metrics_dir
        self._supervisor_pid = supervisor_pid
        host = settings.api.host
        scopes = [host, *(breaker.scope(host, role) for role in outcome.Role)]
        self._gauges = samples.Gauges(sampler, types, scopes)
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

    def listening(self, listen_fd: int) -> socket.socket:
        """The socket that the supervisor has bound, which stays open there when we die."""
        return socket.socket(fileno=listen_fd)

    def serve(self, listening: socket.socket) -> None:
        """Answer until `stop`. Raises: RuntimeError when the server cannot start."""
        try:
            with contextlib.closing(listening):
                asyncio.run(self._uvicorn.serve(sockets=[listening]))
        except SystemExit as error:  # in a thread nobody would hear of it
            raise RuntimeError("the HTTP server did not start, see the log") from error

    def stop(self) -> None:
        """Finish what is being answered and stop."""
        self._uvicorn.should_exit = True

    # The answers. Those that read files run in a thread of starlette's pool, being plain functions.

    def _metrics(self, request: Request) -> Response:
        body = metrics.collect(self._metrics_dir, [self._gauges])
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
                finished_age_s=sample.progress.finished_age_s,
                rejected_rows=sample.progress.rejected_rows,
                free_bytes=free,
                min_free_bytes=self._settings.attachments.min_free_bytes,
            )
        )

    def _supervisor(self) -> dict[str, Any]:
        """What our own supervisor last wrote down; a lone monitor has none, and needs none."""
        with contextlib.suppress(OSError, ValueError):
            said = json.loads((self._settings.paths.state / "supervisor.json").read_text())
            if isinstance(said, dict) and said.get("pid") == self._supervisor_pid:
                return said
        return {"state": "running"}

    def _view(self) -> dict[str, Any]:
        sample, verdict = self._sampler.latest, self._verdict()
        view: dict[str, Any] = {
            "host": self._settings.fleet.host,
            "api_host": self._settings.api.host,
            "healthy": bool(verdict and verdict.healthy),
            "reasons": _told(verdict.reasons if verdict else ()),
            "notes": _told(verdict.notes if verdict else ()),
        }
        if sample is None or verdict is None:
            view["reasons"] = [
                {"code": "database", "message": f"database: {self._sampler.error}", "remedy": ""}
            ]
            return view
        snapshot = sample.snapshot
        tips = snapshot.tips
        return view | {
            "tips": tips,
            "done": tips["complete"] + tips["not_found"] + tips["skipped"],
            "total": sum(tips.values()) - tips["permanently_failed"],
            "finished_age_s": sample.progress.finished_age_s,
            "queue": snapshot.queue,
            "breakers": [
                {**one, "until": one["until"].isoformat() if one["until"] else None}
                for one in snapshot.breakers
            ],
            "workers": snapshot.workers,
            "paused": snapshot.paused,
        }


def _told(found: Iterable[health.Reason]) -> list[dict[str, str]]:
    return [{"code": one.code, "message": one.message, "remedy": one.remedy} for one in found]
