"""A stretch of wire between fleet and database that can be cut for one worker without a word.

Nobody is told: the server goes on to believe in the session (and in its locks) until the cut is
mended or `drop` ends it, as keepalives would; the worker just gets no answer any more.
"""

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import Final

from psycopg import conninfo

_BLOCK: Final = 1 << 16


class Wire:
    """Listens on a socket in `folder` and carries every session to the server's own socket."""

    def __init__(self, folder: Path, dsn: str) -> None:
        parts = conninfo.conninfo_to_dict(dsn)
        port = parts.get("port") or 5432
        self._server = f"{parts['host']}/.s.PGSQL.{port}"
        self._folder = folder
        self._own = str(folder / f".s.PGSQL.{port}")
        self._cut: set[bytes] = set()
        self._sessions: list[tuple[bytes, asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def dsn(self, dsn: str) -> str:
        """The same database, by way of this wire."""
        return conninfo.make_conninfo(dsn, host=str(self._folder))

    def cut(self, name: str) -> None:
        """From now on nothing passes for sessions whose application name begins like this."""
        self._cut.add(name.encode())

    def drop(self, name: str) -> None:
        """The server's ends of the sessions that are cut break: it has noticed."""
        self._loop.call_soon_threadsafe(self._drop, name.encode())

    def mend(self, name: str) -> None:
        """New sessions pass again; those that were cut are broken at both ends."""
        self._cut.discard(name.encode())
        self._loop.call_soon_threadsafe(self._drop, name.encode(), True)

    def __enter__(self) -> "Wire":
        self._thread.start()
        self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_unix_server(self._carry, self._own))
        Path(self._own).chmod(0o777)
        self._ready.set()
        self._loop.run_forever()

    def _drop(self, name: bytes, both: bool = False) -> None:
        for label, client, server in self._sessions:
            if label.startswith(name):
                for end in (server, client) if both else (server,):
                    with contextlib.suppress(OSError, RuntimeError):
                        end.transport.abort()

    def _held(self, label: bytes) -> bool:
        return any(label.startswith(name) for name in self._cut)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = await reader.read(_BLOCK)
        words = hello[8:].split(b"\0")
        label = words[words.index(b"application_name") + 1] if b"application_name" in words else b""
        while self._held(label):
            await asyncio.sleep(0.1)
        up_reader, up_writer = await asyncio.open_unix_connection(self._server)
        self._sessions.append((label, writer, up_writer))
        up_writer.write(hello)
        await asyncio.gather(
            self._pump(label, reader, up_writer), self._pump(label, up_reader, writer)
        )

    async def _pump(
        self, label: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while block := await reader.read(_BLOCK):
                if self._held(label):
                    return  # lost on the way, and everything after it; no end is told either
                writer.write(block)
                await writer.drain()
        if not self._held(label):
            writer.close()
