"""The control address: state and statistics, switching of modes, the truth, and the log.

It is served by the parent process on a port of its own, under a random path.
"""

import http.server
import json
import secrets
import threading
from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from noggin_mp.domain import errors
from noggin_mp.simulator import behaviour, counters, data, journal, processes

_MAX_PATCH = 1 << 20
_PAGE = 1000


class Desk:
    """What the control address does, apart from HTTP."""

    def __init__(
        self,
        *,
        world: data.World,
        conduct: behaviour.Behaviour,
        shared: counters.Counters,
        crew: processes.Crew,
        log: int,
    ) -> None:
        self._world = world
        self._conduct = conduct
        self._shared = shared
        self._crew = crew
        self._log = log
        self._lock = threading.Lock()

    def state(self) -> dict[str, Any]:
        """Behaviour, counters and where the log ends."""
        return {
            "schema_version": 1,
            "behaviour": self._conduct.as_json(),
            "stats": self._shared.totals(),
            "log": {"bytes": journal.size(self._log), "now_ns": journal.now_ns()},
            "pids": self._crew.pids(),
        }

    def change(self, patch: dict[str, Any]) -> dict[str, Any]:
        """Change the behaviour everywhere; every process has it when this returns.

        Raises: UsageError, and nothing has changed.
        """
        with self._lock:
            conduct = self._conduct.changed(patch)
            if "faults" in patch or "max_faults_per_tip" in patch:
                self._shared.forgive()
            self._crew.tell({"behaviour": conduct.as_json()})
            self._conduct = conduct
        return self.state()

    def reset(self) -> dict[str, Any]:
        """Zero the counters, give every TIP its fault budget again, draw faults anew."""
        with self._lock:
            self._shared.forgive()
            self._crew.tell({"restart": True})
        return self.state()

    def truth(self, asked: dict[str, str]) -> dict[str, Any]:
        """The truth about `tip`, or about `limit` records from number `offset` on.

        Raises: UsageError for a TIP that this world never made.
        """
        tip = asked.get("tip")
        if tip is None:
            offset, limit = _whole(asked, "offset", 0), _whole(asked, "limit", _PAGE)
            numbers = range(offset, min(self._world.tips, offset + limit))
            found = [self._world.truth(self._world.place(number)) for number in numbers]
            return {"tips": self._world.tips, "offset": offset, "truth": found}
        place = self._world.find(tip)
        if place is not None:
            return self._world.truth(place)
        owner, photo = self._world.owner(tip), self._world.photo(tip)
        if owner is None or photo is None:
            return {"tip": tip, "exists": False, "attachments": []}
        return {
            "tip": tip,
            "exists": True,
            "record_tip": self._world.tip(owner.number),
            "content_type": photo.content_type,
            "size_bytes": photo.size_bytes,
            "sha256": photo.sha256(),
        }

    def missing(self) -> dict[str, Any]:
        """Every TIP that exports list and the API does not have."""
        return {"tips": list(self._world.missing())}

    def log(self, asked: dict[str, str]) -> tuple[bytes, int]:
        """The log from byte `since` on, limited to requests begun after `since_ns`."""
        since, since_ns = _whole(asked, "since", 0), _whole(asked, "since_ns", 0)
        return journal.read(self._log, since=since, since_ns=since_ns)


def _whole(asked: dict[str, str], name: str, default: int) -> int:
    value = asked.get(name, str(default))
    if not value.isdigit():
        raise errors.UsageError(f"{name}: {value!r} is no whole number")
    return int(value)


class Control:
    """The HTTP server of a desk, in a thread; it answers until it is closed."""

    def __init__(self, desk: Desk, *, host: str) -> None:
        base = f"/{secrets.token_hex(16)}/control"
        handler = type("Handler", (_Handler,), {"desk": desk, "base": base})
        self._server = http.server.ThreadingHTTPServer((host, 0), handler)
        self._server.daemon_threads = True
        named = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - compared, not bound
        self.url = f"http://{named}:{self._server.server_address[1]}{base}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Turns requests under `base` into calls of `desk`."""

    desk: ClassVar[Desk]
    base: ClassVar[str]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Read: state, statistics, truth, missing TIPs, log."""
        name, asked = self._asked()
        if name == "/log":
            self._guarded(lambda: self._send_log(asked))
            return
        gets: dict[str | None, Callable[[], dict[str, Any]]] = {
            "": self.desk.state,
            "/state": lambda: dict(self.desk.state()["behaviour"]),
            "/stats": lambda: dict(self.desk.state()["stats"]),
            "/truth": lambda: self.desk.truth(asked),
            "/missing": self.desk.missing,
        }
        self._answer(gets.get(name))

    def do_POST(self) -> None:
        """Write: change the behaviour, or reset."""
        name, asked = self._asked()
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), _MAX_PATCH))
        posts: dict[str | None, Callable[[], dict[str, Any]]] = {
            "": lambda: self.desk.change({**asked, **_patch(body)}),
            "/state": lambda: self.desk.change({**asked, **_patch(body)}),
            "/reset": self.desk.reset,
        }
        self._answer(posts.get(name))

    do_PUT = do_POST

    def _asked(self) -> tuple[str | None, dict[str, str]]:
        path, _, query = self.path.partition("?")
        if not secrets.compare_digest(path[: len(self.base)].encode(), self.base.encode()):
            return None, {}
        return path[len(self.base) :].rstrip("/"), dict(parse_qsl(query))

    def _answer(self, work: Callable[[], dict[str, Any]] | None) -> None:
        if work is None:
            self._send(404, {"error": "no such address"})
        else:
            self._guarded(lambda: self._send(200, work()))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except errors.UsageError as error:
            self._send(400, {"error": str(error)})
        except errors.NogginError as error:
            self._send(500, {"error": str(error)})

    def _send_log(self, asked: dict[str, str]) -> None:
        text, following = self.desk.log(asked)
        self._reply(200, text, "application/x-ndjson", {"X-Log-Next": str(following)})

    def _send(self, status: int, body: dict[str, Any]) -> None:
        self._reply(status, json.dumps(body).encode() + b"\n", "application/json", {})

    def _reply(self, status: int, body: bytes, kind: str, extra: dict[str, str]) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **extra}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: stderr belongs to messages for people."""


def _patch(body: bytes) -> dict[str, Any]:
    """The object in a POST: JSON, or a form. Raises: UsageError."""
    if not body.strip():
        return {}
    if body.lstrip()[:1] == b"{":
        try:
            patch = json.loads(body)
        except ValueError as error:
            raise errors.UsageError(f"the body is no JSON: {error}") from error
        return dict(patch)
    form = dict(parse_qsl(body.decode("utf-8", "replace")))
    if not form:
        raise errors.UsageError("the body is neither a JSON object nor a form")
    return form
