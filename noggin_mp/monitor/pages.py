"""What the monitor serves: /metrics, /healthz, /readyz, the status page, and its data as JSON."""

import asyncio
import contextlib
import datetime
import json
import socket
import threading
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from noggin_mp import __version__
from noggin_mp.domain import breaker, health, outcome
from noggin_mp.monitor import samples, surroundings
from noggin_mp.observe import metrics
from noggin_mp.settings.schema import Settings

_SCHEMA_VERSION: Final = 1


class _Patient(uvicorn.Server):
    """uvicorn's server that waits to be told the end, where its own looks ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None

    async def main_loop(self) -> None:
        """Called once the server is up; returns when it should shut down."""
        with self._lock:
            self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        await self.on_tick(0)  # what it does once a second: the default headers, which are none
        if not self.should_exit:
            await self._ended.wait()

    def end(self) -> None:
        """Ask for the end, from any thread."""
        self.should_exit = True
        with self._lock:
            loop, ended = self._loop, self._ended
        if loop is not None and ended is not None:
            with contextlib.suppress(RuntimeError):  # it has ended already
                loop.call_soon_threadsafe(ended.set)


class Server:
    """The HTTP side of a monitor, in its own thread; answers come from memory or files.

    `types` are the codes of the object types. `supervisor_pid` is the parent's process id: what
    supervisor.json says counts only when it was written by that one.
    """

    def __init__(
        self,
        *,
        sampler: samples.Sampler,
        surroundings: surroundings.Surroundings,
        settings: Settings,
        types: Collection[str],
        metrics_dir: Path,
        supervisor_pid: int,
    ) -> None:
        self._sampler = sampler
        self._surroundings = surroundings
        self._settings = settings
        self._supervisor_pid = supervisor_pid
        host = settings.api.host
        scopes = [host, *(breaker.scope(host, role) for role in outcome.Role)]
        gauges = samples.Gauges(sampler, types, scopes)
        self._scraper = metrics.Scraper(metrics_dir, [gauges, surroundings])
        loader = jinja2.FileSystemLoader(Path(__file__).parent)
        templates = jinja2.Environment(loader=loader, autoescape=True)
        templates.filters["size"] = _size
        self._page = templates.get_template("status.html")
        routes = [
            Route("/", self._status_page),
            Route("/status.json", self._status_json),
            Route("/metrics", self._metrics),
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
        ]
        self._uvicorn = _Patient(
            uvicorn.Config(
                Starlette(routes=routes),
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=1,
            )
        )

    def configure(self, settings: Settings) -> None:
        """Judge by other settings from the next request on."""
        self._settings = settings

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
        self._uvicorn.end()

    # The answers. Those that read files run in a thread of starlette's pool, being plain functions.

    def _metrics(self, request: Request) -> Response:
        return Response(self._scraper.text(), media_type=metrics.CONTENT_TYPE)

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
        return HTMLResponse(self._page.render(view=self._view()))

    def _verdict(self) -> health.Verdict | None:
        """The verdict on this fleet; None while the database cannot be read."""
        sample = self._sampler.latest
        if sample is None:
            return None
        snapshot, space = sample.snapshot, self._surroundings.space
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
                free_bytes=space.free_bytes if space is not None else None,
                min_free_bytes=self._settings.attachments.min_free_bytes,
                api_host=self._settings.api.host,
                policies=snapshot.policies,
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
            "version": __version__,
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "supervisor": self._told_by_supervisor(),
            "token_expires_at": _moment(self._surroundings.token_expiry),
            "storage": self._storage(),
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
            "hosts": sample.numbers["hosts"],
            "workers": self._workers(snapshot.workers),
            "paused": snapshot.paused,
            "sample_age_s": round(self._sampler.clock() - sample.taken_at, 1),
        }

    def _told_by_supervisor(self) -> dict[str, Any]:
        """What people need of supervisor.json."""
        said = self._supervisor()
        names = ("state", "paused", "config_error", "config_version")
        return {
            **{name: said.get(name) for name in names},
            "started_at": _moment(said.get("started_at")),
        }

    def _storage(self) -> dict[str, int] | None:
        space = self._surroundings.space
        if space is None:
            return None
        floor = self._settings.attachments.min_free_bytes
        return {
            "free_bytes": space.free_bytes,
            "size_bytes": space.size_bytes,
            "floor_bytes": floor,
        }

    def _workers(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The rows, and of our own slots what only the supervisor knows: that they are parked."""
        host = self._settings.fleet.host
        slots = self._supervisor().get("slots") or ()
        parked = {slot.get("slot") for slot in slots if slot.get("state") == "parked"}
        found = []
        for row in rows:
            ours = row["host"] == host and row["slot"] in parked
            found.append({**row, "state": "parked"} if ours else {**row})
            parked -= {row["slot"]} if ours else set()
        unseen = {"pid": None, "tip": None, "busy": 0, "heartbeat_age_s": None}
        never = [{**unseen, "host": host, "slot": slot, "state": "parked"} for slot in parked]
        return found + never


def _moment(seconds: float | None) -> str | None:
    """A moment in Unix seconds as ISO text, UTC."""
    if not isinstance(seconds, int | float):
        return None
    found = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return found.isoformat(timespec="seconds")


def _size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:,.0f} {unit}"
        count /= 1024
    return f"{count:,.1f} TiB"


def _told(found: Iterable[health.Reason]) -> list[dict[str, str]]:
    return [{"code": one.code, "message": one.message, "remedy": one.remedy} for one in found]
