"""Hosts behind real network links that can be cut: network namespaces, a server and API outside.

Needs root and `ip netns`; where they are missing the tests that ask for it are skipped, and say so.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.store import embedded
from tests.support import fleet, hosts, postgres

_SUBNET = 10_000 + os.getpid() % 50_000  # another for each process of a parallel run


def _address(number: int) -> str:
    high, low = divmod(_SUBNET, 250)
    return f"10.{high}.{low + 1}.{number}"  # 10.40 to 10.239


MAINLAND = _address(1)
"""Where the API and the database are, for all islands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Island:
    """A network namespace, joined to ours by one link."""

    name: str
    number: int

    @property
    def address(self) -> str:
        """Its own address."""
        return _address(4 * self.number + 6)

    @property
    def near(self) -> str:
        """The address of our end of the link."""
        return _address(4 * self.number + 5)

    def cut(self) -> None:
        """Take the link away: packets vanish both ways, and nobody is told."""
        _ip("link", "set", self.name, "down")

    def heal(self) -> None:
        """Put the link back."""
        _ip("link", "set", self.name, "up")

    @contextlib.contextmanager
    def unheard(self, port: int) -> Iterator[None]:
        """Drop what the mainland's server on this port answers to the island, silently."""
        rule = ("ipproto", "tcp", "sport", str(port), "to", self.address, "blackhole")
        _ip("rule", "add", *rule)
        try:
            yield
        finally:
            _ip("rule", "del", *rule)

    def processes(self) -> list[int]:
        """The ids of all processes that live there."""
        told = subprocess.run(
            ["ip", "netns", "pids", self.name], check=True, capture_output=True, text=True
        )
        return [int(pid) for pid in told.stdout.split()]

    @contextlib.contextmanager
    def deaf(self, ports: list[int]) -> Iterator[None]:
        """Drop what is sent to these ports of the island, silently."""
        rules = [
            ("ipproto", "tcp", "dport", str(port), "to", self.address, "blackhole")
            for port in ports
        ]
        for rule in rules:
            _ip("rule", "add", *rule)
        try:
            yield
        finally:
            for rule in rules:
                _ip("rule", "del", *rule)


class Site(fleet.Site):
    """An installation whose processes live on an island; `before` are words that start them."""

    before: Sequence[str] = ()

    def __init__(self, island: Island, *arguments: Any, **extra: Any) -> None:
        self.island = island
        super().__init__(*arguments, **extra)

    def command(self, *words: str) -> list[str]:
        """The program, on the island."""
        program = super().command(*words)
        return ["ip", "netns", "exec", self.island.name, *self.before, *program]


def site(
    island: Island, folder: Path, dsn: str, api: fleet.Simulator, name: str, **extra: Any
) -> Site:
    """An installation on an island, as `hosts.site` makes them at home."""
    plain = hosts.site(folder, dsn, api, name, **extra)
    made = Site(island, plain.folder, dsn, api)
    made.settings = plain.settings
    made.write()
    return made


@contextlib.contextmanager
def archipelago(count: int) -> Iterator[list[Island]]:
    """So many islands; skips the test where there can be none."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("NOT TESTED: network namespaces need root and the program ip")
    made = [Island(name=f"nog{os.getpid()}n{number}", number=number) for number in range(count)]
    with contextlib.ExitStack() as stack:
        try:
            _ip("address", "add", f"{MAINLAND}/32", "dev", "lo")
            stack.callback(_ip, "address", "del", f"{MAINLAND}/32", "dev", "lo")
            for island in made:
                _raise(island, stack)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"NOT TESTED: no network namespace can be made here: {error.stderr}")
        yield made


def _raise(island: Island, stack: contextlib.ExitStack) -> None:
    _ip("netns", "add", island.name)
    stack.callback(_ip, "netns", "del", island.name)
    inside = ("-n", island.name)
    _ip("link", "add", island.name, "type", "veth", "peer", "name", "out", "netns", island.name)
    stack.callback(_ip, "link", "del", island.name)  # with the namespace it would go a little later
    _ip("address", "add", f"{island.near}/30", "dev", island.name)
    _ip(*inside, "address", "add", f"{island.address}/30", "dev", "out")
    _ip("link", "set", island.name, "up")
    _ip(*inside, "link", "set", "out", "up")
    _ip(*inside, "link", "set", "lo", "up")
    _ip(*inside, "route", "add", "default", "via", island.near)


@contextlib.contextmanager
def database() -> Iterator[str]:
    """The DSN of a migrated database that islands reach over TCP."""
    folder = postgres.scratch()
    rules = folder / "hba.conf"
    rules.write_text("local all all trust\nhost all all 10.0.0.0/8 trust\n")
    rules.chmod(0o644)
    state = folder / "state"
    settings = {"listen_addresses": MAINLAND, "hba_file": str(rules)}
    embedded.ensure_running(state, settings={**postgres.FAST, **settings})
    try:
        dsn = f"postgresql://noggin@{MAINLAND}:5432/noggin_db"
        postgres.migrate(dsn)
        yield dsn
    finally:
        embedded.destroy(state)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
