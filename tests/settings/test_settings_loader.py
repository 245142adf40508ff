"""Where settings are found, how files are laid over one another, and what may be left out."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.settings import document, effective, loader, schema

MINIMAL = """\
database:
  dsn: postgresql://me@127.0.0.1:5432/noggin
api:
  base_url: http://127.0.0.1:8080
  token: abc.def
  namespace: ns
paths:
  state: st
  output: out
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loader, "PLACES", (Path("config/noggin.yaml"), tmp_path / "etc/n.yaml"))
    return tmp_path


def test_load_is_content_when_only_the_six_keys_are_given(here: Path) -> None:
    settings = loader.load(write(here / "n.yaml", MINIMAL), env={})

    assert settings.database.dsn == "postgresql://me@127.0.0.1:5432/noggin"
    assert settings.api.host == "127.0.0.1"
    assert settings.api.token is not None
    assert settings.api.token.get_secret_value() == "abc.def"
    assert settings.paths.state == here / "st"
    assert settings.paths.input == here / "var/input"
    assert (settings.fleet.workers, settings.fleet.threads) == (4, 8)


def test_load_gives_defaults_when_no_file_is_found(here: Path) -> None:
    loaded = loader.read(None, env={})

    assert loaded.file is None
    assert loaded.settings == schema.Settings()
    assert loaded.settings.fleet.host == socket.gethostname().split(".")[0]
    assert "no file was found" in loaded.notes[0].message


@pytest.mark.parametrize(
    ("present", "variable", "named", "expected"),
    [
        ({"a", "b", "config/noggin.yaml", "etc/n.yaml"}, "b", "a", "a"),
        ({"a", "b", "config/noggin.yaml", "etc/n.yaml"}, "b", None, "b"),
        ({"config/noggin.yaml", "etc/n.yaml"}, "", None, "config/noggin.yaml"),
        ({"config/noggin.yaml", "etc/n.yaml"}, None, None, "config/noggin.yaml"),
        ({"etc/n.yaml"}, None, None, "etc/n.yaml"),
    ],
)
def test_find_takes_the_first_in_order_when_several_exist(
    here: Path, present: set[str], variable: str | None, named: str | None, expected: str
) -> None:
    for name in present:
        write(here / name, f"api: {{namespace: {name.replace('/', '_')}}}\n")
    env = {} if variable is None else {"NOGGIN_CONFIG": variable}

    loaded = loader.read(Path(named) if named else None, env=env)

    assert loaded.settings.api.namespace == expected.replace("/", "_")


def refused(path: Path | None, env: dict[str, str] | None = None) -> errors.Problem:
    with pytest.raises(errors.ConfigError) as caught:
        loader.load(path, env=env or {})
    [problem] = caught.value.problems
    return problem


def test_load_names_the_variable_when_its_file_is_missing(here: Path) -> None:
    problem = refused(None, {"NOGGIN_CONFIG": "gone.yaml"})

    assert problem.message == "there is no such file (named by NOGGIN_CONFIG)"
    assert problem.file == "gone.yaml"


def test_load_refuses_when_the_named_file_is_missing(here: Path) -> None:
    assert "no such file" in refused(Path("gone.yaml")).message


def test_load_refuses_when_the_file_is_a_directory(here: Path) -> None:
    assert refused(here).message == "is a directory, not a file"


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """As a user who may not look into the test's folder."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.root
def test_load_refuses_when_the_file_may_not_be_read(here: Path) -> None:
    file = write(here / "n.yaml", "")
    file.chmod(0)
    here.chmod(0o755)

    with nobody():
        problem = refused(Path("n.yaml"))

    assert problem.message == "may not be read by this user"
    assert "chmod" in problem.remedy


@pytest.mark.root
@pytest.mark.parametrize("env", [{}, {"NOGGIN_CONFIG": "config/noggin.yaml"}])
def test_load_does_not_overlook_a_file_when_its_folder_is_closed(
    here: Path, env: dict[str, str]
) -> None:
    write(here / "config/noggin.yaml", "")
    (here / "config").chmod(0)
    here.chmod(0o755)

    with nobody():
        problem = refused(None, env)

    assert "read" in problem.message


def test_load_refuses_when_conf_d_is_no_folder(here: Path) -> None:
    write(here / "conf.d", "")

    problem = refused(write(here / "n.yaml", ""))

    assert problem.message == "cannot be read: Not a directory"
    assert problem.file == str(here / "conf.d")


@pytest.mark.parametrize(
    ("raw", "line", "column", "message"),
    [
        (b"api:\n  namespace: caf\xe9\n", 2, 17, "byte 0xe9 is not UTF-8"),
        ("log: {}\n".encode("utf-16"), 1, 1, "is UTF-16, not UTF-8"),
        (b"\xff", 1, 1, "byte 0xff is not UTF-8"),
        (b"#" * 1_100_000, None, None, "is larger than 1 MiB"),
    ],
)
def test_load_tells_the_byte_when_the_file_is_not_utf8(
    here: Path, raw: bytes, line: int, column: int, message: str
) -> None:
    (here / "n.yaml").write_bytes(raw)

    problem = refused(here / "n.yaml")

    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


@pytest.mark.parametrize("text", ["", "\n\n", "# only words\n", "---\n", "~\n", "\ufeff", "{}"])
def test_load_gives_defaults_when_the_file_is_empty(here: Path, text: str) -> None:
    loaded = loader.read(write(here / "n.yaml", text), env={})

    assert loaded.settings == schema.Settings()


def test_load_gives_defaults_when_sections_are_empty(here: Path) -> None:
    text = "api:\nfleet:\nbreaker:\n  defaults:\n  hosts:\n    h.x:\n      roles:\n"

    settings = loader.load(write(here / "n.yaml", text), env={})

    assert settings.breaker_policy("h.x", "api") == schema.Settings().breaker_policy("y", "api")


def test_load_accepts_a_byte_order_mark_when_there_is_one(here: Path) -> None:
    assert loader.load(write(here / "n.yaml", "\ufeffqueue: {batch: 7}"), env={}).queue.batch == 7


def test_load_lays_drop_ins_over_the_file_when_there_are_some(here: Path) -> None:
    file = write(here / "n.yaml", "queue: {batch: 1, poll_s: 1}\nattachments: {hashes: [sha256]}\n")
    write(here / "conf.d/20.yaml", "queue: {batch: 3}\nattachments: {hashes: [sha256, md5]}\n")
    write(here / "conf.d/10.yaml", "queue:\n  batch: 2\nfleet: {workers: 9}\nlog:\n")
    write(here / "conf.d/ignored.yml", "queue: {batch: 99}\n")

    loaded = loader.read(file, env={})

    assert loaded.settings.queue.batch == 3
    assert loaded.settings.queue.poll_s == 1
    assert loaded.settings.fleet.workers == 9
    assert loaded.settings.attachments.hashes == ["sha256", "md5"]
    assert [one.name for one in loaded.files] == ["n.yaml", "10.yaml", "20.yaml"]
    origin = loaded.origins["queue", "batch"]
    assert (Path(origin.file).name, origin.line, origin.column) == ("20.yaml", 1, 16)


def test_load_passes_over_what_an_editor_hides_among_the_drop_ins(here: Path) -> None:
    file = write(here / "n.yaml", "queue: {batch: 1}\n")
    write(here / "conf.d/20.yaml", "queue: {batch: 3}\n")
    (here / "conf.d/.#20.yaml").symlink_to("somebody@somewhere.1234")

    assert loader.load(file, env={}).queue.batch == 3


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        ("{}", True),
        ("api:\nfleet: {}\n", True),
        ("breaker: {hosts: {h.x: {roles: {api: }}}}\n", True),
        ("attachments: {hashes: []}\n", False),
        ("api: {token: ''}\n", False),
    ],
)
def test_a_file_is_empty_when_no_value_is_written_in_it(here: Path, text: str, empty: bool) -> None:
    assert document.parse(text, name="n").empty is empty


def test_load_names_the_drop_in_when_the_fault_is_there(here: Path) -> None:
    file = write(here / "n.yaml", "queue: {batch: 1}\nfleet: {workers: x}\n")
    write(here / "conf.d/10.yaml", "queue:\n  batch: 0\n")

    with pytest.raises(errors.ConfigError) as caught:
        loader.load(file, env={})

    places = [(Path(one.file).name, one.line) for one in caught.value.problems]
    assert places == [("n.yaml", 2), ("10.yaml", 2)]


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("attachments: {max_bytes: 500 MB}", "attachments.max_bytes", 500_000_000),
        ("attachments: {max_bytes: 1.5 KiB}", "attachments.max_bytes", 1536),
        ("attachments: {max_bytes: 12}", "attachments.max_bytes", 12),
        ("attachments: {min_free_bytes: 0}", "attachments.min_free_bytes", 0),
        ("attachments: {layout: type}", "attachments.layout", "type"),
        ("attachments: {layout: 'a/{{ id }}'}", "attachments.layout", "a/{{ id }}"),
        ("monitor: {bind: off}", "monitor.address", None),
        ("monitor: {bind: ''}", "monitor.address", None),
        ("monitor: {bind: '[::1]:0'}", "monitor.address", ("::1", 0)),
        ("monitor: {bind: ':9109'}", "monitor.address", ("", 9109)),
        ("log: {level: WARNING}", "log.level", "warning"),
        ("api: {base_url: 'https://Bücher.example/'}", "api.host", "xn--bcher-kva.example"),
        ("api: {base_url: 'http://[::1]:80'}", "api.host", "::1"),
        ("api: {namespace: no}", "api.namespace", "no"),
        ("api: {namespace: 2025-01-01}", "api.namespace", "2025-01-01"),
        ("api: {namespace: 1:30}", "api.namespace", "1:30"),
        ("queue: {poll_s: 5e-1}", "queue.poll_s", 0.5),
        ("queue: {batch: 010}", "queue.batch", 10),
        ("database: {dsn: }", "database.dsn", ""),
        ("database: {dsn: host=/run dbname=n}", "database.dsn", "host=/run dbname=n"),
        ("pacing: {defaults: {rate: '10 / s,1000/h'}}", "pacing.defaults.rate", "10/s, 1000/h"),
        ("pacing: {defaults: {max_concurrent: 5}}", "pacing.defaults.max_concurrent", 5),
        ("breaker: {defaults: {slow_call_s: 3}}", "breaker.defaults.slow_call_s", 3.0),
        ("breaker: {defaults: {slow_call_s: off}}", "breaker.defaults.slow_call_s", None),
    ],
)  # fmt: skip
def test_load_understands_a_value_when_it_is_well_written(
    here: Path, text: str, path: str, expected: object
) -> None:
    found: object = loader.load(write(here / "n.yaml", text), env={})
    for part in path.split("."):
        found = getattr(found, part)
    assert found == expected


def test_settings_hide_secrets_when_they_are_printed(here: Path) -> None:
    text = "database: {dsn: 'postgresql://u:hush@h/d'}\napi: {token: shush-shush}\n"
    loaded = loader.read(write(here / "n.yaml", text), env={})

    told = repr(loaded.settings) + str(loaded.settings) + repr(effective.values(loaded))
    assert "hush" not in told
    shown = effective.text(effective.values(loaded), origins=True)
    assert 'token: "***"' in shown
    assert 'dsn: "postgresql://u:***@h/d"' in shown
    assert "n.yaml:2:14" in shown
    assert "# default" in shown
