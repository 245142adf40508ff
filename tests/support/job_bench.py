"""Jobs against a pretended API on a real database, one TIP at a time."""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from noggin_mp.domain import breaker, outcome, paths, retry
from noggin_mp.domain.object_types import Catalogue
from noggin_mp.domain.tip import Tip
from noggin_mp.gateway import http, media
from noggin_mp.observe import metrics
from noggin_mp.settings import object_types
from noggin_mp.store import breaker as breaker_store
from noggin_mp.store import queue, session
from noggin_mp.worker import fetch, gate, job, ledger, settling
from tests.support import fault_server, gateway, postgres, records

HOST = "127.0.0.1"
INSTANCE = "6b1c1d5e-0b5c-4b0e-9a53-3d2f7f4d8c11"
CATALOGUE: Catalogue = object_types.load()
NOT_FOUND = fault_server.reply(b"{}", status=404)


class Api:
    """Answers by TIP: records and files that were put there, 404 for all else."""

    def __init__(self, server: fault_server.FaultServer) -> None:
        self.server = server
        self.answers: dict[str, bytes | Callable[[fault_server.Wire], None]] = {}
        server.handler = self._handle

    def _handle(self, wire: fault_server.Wire) -> None:
        answer = self.answers.get(_tip(wire.request.path), NOT_FOUND)
        if isinstance(answer, bytes):
            wire.answer(answer)
        else:
            answer(wire)

    def record(self, code: str, tip: str, **changes: object) -> dict[str, object]:
        """Serve a record of a type with every attachment field empty but those in `changes`."""
        type_ = CATALOGUE.by_code[code]
        empty: dict[str, object] = {field.name: None for field in type_.file_fields}
        body = records.body(type_, tip=tip, **(empty | changes))
        self.answers[tip] = fault_server.reply(json.dumps(body).encode())
        return body

    def file(self, name: str, size: int = 900) -> str:
        """Serve a photo called `name`; gives the URL records carry, its tip is `hex64(name)`."""
        content = gateway.jpeg(size)[:-8] + records.hex64(name)[:6].encode() + b"\xff\xd9"
        self.answers[records.hex64(name)] = fault_server.reply(content)
        return records.media(name)

    def asked(self, tip: str) -> int:
        """How many requests there were for this record or file."""
        return [_tip(request.path) for request in self.server.requests].count(tip)


def _tip(path: str) -> str:
    parts = urlsplit(path)
    return dict(parse_qsl(parts.query)).get("tip") or parts.path.rpartition("/")[2]


class Bench:
    """A worker's collaborators without its loop; `token` may be replaced by one that raises."""

    def __init__(self, dsn: str, folder: Path, api: Api, **options: Any) -> None:
        self.api = api
        self.output = folder / "output"
        self.output.mkdir(exist_ok=True)
        self.token: Callable[[], str] = lambda: "token"
        self.pool = session.open_pool(dsn, schema=postgres.SCHEMA, application_name="bench")
        self.meters = metrics.Metrics(
            slot="0", directory=folder / "metrics", host=HOST, types=CATALOGUE.by_code
        )
        self.metrics_dir = folder / "metrics"
        self.holder = queue.Holder(host="h", slot=0, instance=INSTANCE, boot=1)
        self.held = ledger.Ledger(lease_s=60)
        policy = retry.RetryPolicy(max_attempts=options.get("max_attempts", 5), backoff_base_s=60)
        self.buffer = settling.Buffer(
            pool=self.pool,
            held=self.held,
            meters=self.meters,
            decide=lambda count: retry.decide(policy, count, 0.5),
        )
        rules = breaker.Policy.of({"fail_max": 100, "sample_size": 1000, "pause_default_s": 0.3})
        self.gate = gate.Gate(
            store=breaker_store.Store(self.pool, worker="h/0"),
            worker="h/0",
            host=HOST,
            policy=dict.fromkeys(outcome.Role, rules),
            fingerprint=lambda: "fingerprint",
        )
        fetcher = fetch.Fetcher(
            gate=self.gate,
            host=HOST,
            client=http.Client(
                base_url=api.server.base_url,
                namespace="acme",
                token=lambda: self.token(),
                timeouts=gateway.PATIENT,
                meters=self.meters,
            ),
            limits=media.MediaLimits(),
            hashes=("sha256", "md5"),
            meters=self.meters,
            patience_s=options.get("patience_s", 5.0),
        )
        self.job = job.Job(
            fetcher=fetcher,
            catalogue=CATALOGUE,
            pool=self.pool,
            rules=job.Rules(
                output=self.output,
                layout=options.get("layout", paths.by_date),
                zone=records.PERTH,
                max_per_record=options.get("max_per_record", 500),
                retry=policy,
            ),
            worker_id="h/0",
            random01=lambda: 0.5,
        )

    def insert(self, *tips: str, code: str | None = "LCD", type_: str = "unknown") -> None:
        """File TIPs as an import does."""
        with self.pool.connection() as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO noggin_data (tip, object_code, object_type) VALUES (%s, %s, %s)",
                [(tip, code, type_) for tip in tips],
            )

    def lease(self, k: int = 1) -> tuple[queue.Leased, ...]:
        """What is ready, under one lease that the ledger knows."""
        with self.pool.connection() as connection:
            batch = queue.lease(
                connection, holder=self.holder, cursor=queue.Cursor(), k=k, lease_s=60
            )
        self.held.grant(batch)
        return batch.items

    def run(self, item: queue.Leased) -> job.Result:
        """Work on a TIP, with a heart that beats."""
        stopped = threading.Event()
        heart = threading.Thread(target=self._beats, args=(stopped,))
        self.beat()
        heart.start()
        try:
            return self.job.run(item, cancelled=lambda: False)
        finally:
            stopped.set()
            heart.join()

    def _beats(self, stopped: threading.Event) -> None:
        while not stopped.wait(0.2):
            self.beat()

    def beat(self) -> None:
        """Tell the database what went well, and the gate what the database says."""
        with self.pool.connection() as connection:
            reply = breaker_store.beat(
                connection, host="h", slot=0, instance=INSTANCE, boot=1, pid=1,
                state="running", busy=1, tip=None, votes=self.gate.votes(),
            )  # fmt: skip
        self.gate.on_beat(reply["scopes"])

    def settled(self, tip: str) -> dict[str, Any]:
        """Lease the one TIP that is ready, work on it, settle; its row afterwards."""
        (item,) = self.lease()
        assert item.tip == tip
        self.buffer.add_all([self.run(item)])
        self.buffer.flush(force=True)
        return self.row(tip)

    def again(self, tip: str) -> None:
        """Ask for the TIP as an operator who cannot wait for its retry."""
        self.execute(
            "UPDATE noggin_data SET gen = gen + 1, next_retry_at = NULL WHERE tip = %s", (tip,)
        )

    def row(self, tip: str) -> dict[str, Any]:
        """The TIP's row of noggin_data."""
        return dict(self.rows("SELECT * FROM noggin_data WHERE tip = %s", (tip,))[0])

    def attachments(self, tip: str) -> list[dict[str, Any]]:
        """The record's rows of attachments, in its order."""
        return self.rows(
            "SELECT * FROM attachments WHERE record_tip = %s ORDER BY attachment_sequence", (tip,)
        )

    def errors(self, tip: str) -> list[dict[str, Any]]:
        """What processing_errors says of the TIP, oldest first."""
        return self.rows("SELECT * FROM processing_errors WHERE tip = %s ORDER BY error_id", (tip,))

    def rows(self, query: str, parameters: tuple[object, ...] = ()) -> list[dict[str, Any]]:
        """What a question finds, as mappings."""
        with self.pool.connection() as connection:
            cursor = connection.execute(query.encode(), parameters)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, query: str, parameters: tuple[object, ...] = ()) -> None:
        """Do something in the database as a person with psql would."""
        with self.pool.connection() as connection:
            connection.execute(query.encode(), parameters)

    def files(self) -> dict[str, Path]:
        """Every file below the output folder, by its path from there."""
        found = (path for path in self.output.rglob("*") if path.is_file())
        return {str(path.relative_to(self.output)): path for path in found}

    def samples(self) -> Mapping[str, float]:
        """The metrics as a scrape shows them."""
        lines = metrics.collect(self.metrics_dir).decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    def close(self) -> None:
        """Give the sessions back."""
        self.pool.close()


def known_tip(name: str) -> Tip:
    """The TIP that belongs to a name."""
    return Tip(records.hex64(name))
