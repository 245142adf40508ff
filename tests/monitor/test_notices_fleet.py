"""Two real monitors, a mail server and a Slack on loopback: one message for each change."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from noggin_mp.store import session
from tests.monitor.conftest import nowhere
from tests.support import fault_server, fleet, mail_server
from tests.support.wait import until


def site(folder: Path, dsn: str, host: str, mail_port: int, slack_url: str) -> fleet.Site:
    """A host of its own whose monitor does not listen."""
    (folder / host).mkdir()
    token = folder / host / "token"
    token.write_text("xoxb-hidden")
    return fleet.Site(
        folder / host, dsn, nowhere(), fleet={"host": host}, monitor={"bind": "off"},
        notify={
            "on": ["auth_stop", "fleet_paused"], "cooldown_s": 1,
            "email": {"host": "127.0.0.1", "port": mail_port, "security": "none",
                      "from": "noggin@example.com", "to": "ops@example.com"},
            "slack": {"bot_token_file": str(token), "channel": "C1", "api_url": slack_url},
        },
    )  # fmt: skip


def leader(conn: session.Connection) -> str | None:
    """The host that leads."""
    row = conn.execute("SELECT host FROM fleet_overview WHERE leader").fetchone()
    return row[0] if row else None


def test_fleet_tells_a_change_once_and_a_hanging_server_holds_up_nobody(
    tmp_path: Path, migrated: str, conn: session.Connection
) -> None:
    with mail_server.running() as mail, fault_server.running() as slack:
        slack.answers(fault_server.reply(b'{"ok": true}'))
        sites = [site(tmp_path, migrated, host, mail.port, slack.base_url) for host in "ab"]
        running = {one.folder.name: one.start("monitor") for one in sites}
        try:
            first = until(lambda: leader(conn), timeout_s=60, what="somebody leads")
            assert first is not None
            conn.execute("SELECT breaker_auth_stop('api.example', 'w', 9, 'f', 'tip', 'http_401')")
            until(_both(mail, slack, 1), timeout_s=60, what="the message arrives")
            until(_noted(conn), timeout_s=60, what="the leader notes that it was sent")
            os.kill(running[first].pid, signal.SIGKILL)
            until(lambda: leader(conn) not in (None, first), timeout_s=60, what="another leads")

            mail.behaviour.drip = "CONNECT"  # a greeting without an end: 30 s are waited for it
            conn.execute("SELECT fleet_pause(true, NULL, 'me', 'night')")
            until(_tried(conn), timeout_s=60, what="an attempt is under way")
            conn.execute("INSERT INTO later (run_at, tip, gen, prio) VALUES (now(), 'gone', 1, 1)")
            until(_promoted(conn), timeout_s=25, what="the leader promotes meanwhile")
        finally:
            _end(running.values())

    assert [one.mail["Subject"] for one in mail.received] == ["[noggin-mp] auth_stop api.example"]
    assert conn.execute(
        "SELECT kind, level, sent_at IS NOT NULL FROM notices WHERE NOT silent ORDER BY notice_id"
    ).fetchall() == [("auth_stop", 1, True), ("fleet_paused", 1, False)]
    logs = "".join(one.log for one in sites)
    sent = [line for line in logs.splitlines() if "notice_sent" in line]
    assert len([line for line in sent if "auth_stop" in line]) == 2
    assert "xoxb-hidden" not in logs


def _both(
    mail: mail_server.MailServer, slack: fault_server.FaultServer, number: int
) -> Callable[[], bool]:
    return lambda: len(mail.received) >= number and len(slack.requests) >= number


def _tried(conn: session.Connection) -> Callable[[], bool]:
    query = "SELECT attempts = 1 FROM notices WHERE kind = 'fleet_paused'"
    return lambda: conn.execute(query).fetchone() == (True,)


def _noted(conn: session.Connection) -> Callable[[], bool]:
    query = "SELECT count(*) FROM notices WHERE NOT silent AND sent_at IS NULL"
    return lambda: conn.execute(query).fetchone() == (0,)


def _promoted(conn: session.Connection) -> Callable[[], bool]:
    query = "SELECT count(*) FROM later WHERE tip = 'gone'"
    return lambda: conn.execute(query).fetchone() == (0,)


def _end(processes: Iterable["subprocess.Popen[bytes]"]) -> None:
    started = list(processes)
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in started:
        process.wait(60)
