"""What arrives at a chat, sent by a real Alertmanager with the shipped templates."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.observability import servers
from tests.support import parts, wait

ALERT = {
    "labels": {"alertname": "NogginQueueGrowing", "priority": "P3", "severity": "warning"},
    "annotations": {
        "summary": "2200 TIPs wait, and they become more",
        "description": "For two hours more came in.",
        "runbook_url": "https://noggin-mp.example/docs/runbooks/queue.md#queue-growing",
    },
}


@contextlib.contextmanager
def chat() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An incoming webhook: its address, and what was posted to it."""
    posted: list[dict[str, Any]] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test looks at what was posted."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", posted
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@parts.needs("prometheus-alertmanager")
def test_chat_is_told_what_is_wrong_and_where_the_remedy_is(tmp_path: Path) -> None:
    with chat() as (webhook, posted), servers.alertmanager(tmp_path, webhook=webhook) as running:
        running.send([ALERT], for_s=600)
        wait.until(lambda: posted, timeout_s=60, what="a message")

    assert posted[0]["channel"] == "#noggin-alerts"
    (message,) = posted[0]["attachments"]
    assert message["title"] == "[FIRING P3] NogginQueueGrowing"
    assert message["text"].splitlines() == [
        "*2200 TIPs wait, and they become more*",
        "For two hours more came in.",
        "Runbook: https://noggin-mp.example/docs/runbooks/queue.md#queue-growing",
    ]
