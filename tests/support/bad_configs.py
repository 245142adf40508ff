"""Configurations that must be refused: each changes one thing of a good one, and says what is told.

A case is a name, what it does to the files, and a text that the one line of the log must hold. The
good configuration is JSON on one line, which is YAML as well; `yaml` puts a text behind it.
"""

import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Settings = dict[str, Any]
Spoil = Callable[[Path, Settings], None]
Case = tuple[str, Spoil, str]


def put(key: str, value: object) -> Spoil:
    """The good configuration with one key set to something else."""

    def spoil(file: Path, good: Settings) -> None:
        wrong = copy.deepcopy(good)
        *sections, name = key.split(".")
        place = wrong
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
        file.write_text(json.dumps(wrong))

    return spoil


def yaml(text: str | bytes) -> Spoil:
    """The good configuration's sections in a text of their own, with `text` behind them."""

    def spoil(file: Path, good: Settings) -> None:
        lines = "".join(f"{name}: {json.dumps(value)}\n" for name, value in good.items())
        file.write_bytes(lines.encode() + (text if isinstance(text, bytes) else text.encode()))

    return spoil


def only(text: str | bytes) -> Spoil:
    """This text and nothing else."""

    def spoil(file: Path, good: Settings) -> None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    return spoil


def instead(make: Callable[[Path], object]) -> Spoil:
    """Something else where the file was."""

    def spoil(file: Path, good: Settings) -> None:
        file.unlink()
        make(file)

    return spoil


def drop_in(make: Callable[[Path], object], name: str = "50-more.yaml") -> Spoil:
    """The good configuration, and something in conf.d beside it."""

    def spoil(file: Path, good: Settings) -> None:
        (file.parent / "conf.d").mkdir()
        make(file.parent / "conf.d" / name)

    return spoil


def mend(file: Path, good: Settings) -> None:
    """The good configuration again, whatever was done to it."""
    folder = file.parent / "conf.d"
    if folder.is_dir():
        shutil.rmtree(folder)
    folder.unlink(missing_ok=True)
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file)
    file.unlink(missing_ok=True)
    file.write_text(json.dumps(good))


def _token(mode: int | None, text: str = "") -> Spoil:
    """A token file of this text and mode; None: there is none."""

    def spoil(file: Path, good: Settings) -> None:
        token = file.parent / "spoilt-token"
        token.unlink(missing_ok=True)
        if mode is not None:
            token.write_text(text)
            token.chmod(mode)
        wrong = copy.deepcopy(good)
        wrong["api"].pop("token", None)
        wrong["api"]["token_file"] = str(token)
        file.write_text(json.dumps(wrong))

    return spoil


def _flat_folder(file: Path, good: Settings) -> None:
    (file.parent / "conf.d").write_text("fleet: {}\n")


def _laughs() -> str:
    rows = ["x0: &x0 [a, a, a, a, a, a, a, a, a, a]"]
    rows += [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join(rows) + "\n"


def _doubling(steps: int) -> str:
    keys = [f"  k{n}: '${{log.k{n + 1}}}${{log.k{n + 1}}}'" for n in range(steps)]
    return "\n".join(["log:", *keys, f"  k{steps}: x", ""])


SYNTAX: list[Case] = [
    ("unclosed quote", yaml('log: {level: "info}\n'), "in what began at line 10"),
    ("colon in a value", yaml("timezone: a: b\n"), "a value with ': ' in it needs quotes"),
    ("tab", yaml("log:\n\tlevel: info\n"), "indent with spaces, not tabs"),
    ("wrong indentation", yaml("log:\n   level: info\n  format: json\n"), "indentation"),
    ("open bracket", yaml("object_types: [a, b\n"), "close the ["),
    ("open brace", yaml("log: {level: info\n"), "in what began at line 10"),
    ("no space after the colon", yaml("timezone:Australia/Perth\n"), "could not find expected ':'"),
    ("starts with @", yaml("timezone: @home\n"), "needs quotes"),
    ("starts with %", yaml("timezone: %d\n"), "needs quotes"),
    ("two documents", yaml("---\nlog: {}\n"), "one file holds one document"),
    ("unknown anchor", yaml("timezone: *nobody\n"), "undefined alias"),
    ("NUL byte", yaml(b"timezone: a\x00b\n"), "U+0000"),
    ("control character", yaml(b"timezone: a\x07b\n"), "U+0007"),
    ("not UTF-8", yaml(b"timezone: \xe4\xff\n"), "is not UTF-8"),
    ("UTF-16", only('log: {level: "info"}\n'.encode("utf-16")), "is UTF-16"),
    ("binary", only(bytes(range(256)) * 20), "noggin.yaml:"),
    ("half a character", yaml('timezone: "\\ud800"\n'), "half of a character"),
    ("half a character in a key", yaml('"\\udfff": 1\n'), "half of a character"),
    ("deep lists", yaml("object_types: " + "[" * 5000 + "\n"), "nested too deeply"),
    ("deep maps", yaml("log: " + "{a: " * 200 + "1" + "}" * 200 + "\n"), "nested too deeply"),
    ("ten megabytes", yaml("# " + "x" * 10_000_000 + "\n"), "larger than 1 MiB"),
    ("a log for a configuration", yaml("".join(f"k{n}: 1\n" for n in range(9000))), "and 8990"),
    ("too many keys", yaml("".join(f"k{n}: 1\n" for n in range(30_000))), "too many values"),
    ("aliases of aliases", yaml(_laughs()), "too many values"),
    ("alias of itself", yaml("log: &self {level: *self}\n"), "refers to the very value"),
    ("list at the top", only("- a\n- b\n"), "must be a mapping"),
    ("word at the top", only("hello\n"), "must be a mapping"),
]

SHAPES: list[Case] = [
    ("key twice", yaml("log: {level: info, level: debug}\n"), 'the key "level" is given twice'),
    ("section twice", yaml("fleet: {workers: 2}\n"), 'the key "fleet" is given twice'),
    ("merge key", yaml("log: {<<: {level: info}}\n"), "merge keys (<<) are not supported"),
    ("tag", yaml("timezone: !!python/object/apply:os.system [ls]\n"), "noggin.yaml:10:"),
    ("custom tag", yaml("timezone: !secret x\n"), "tags (!...) are not supported"),
    ("key that is a list", yaml("? [a, b]\n: 1\n"), "a key must be a word"),
    ("key that is a map", yaml("? {a: b}\n: 1\n"), "a key must be a word"),
    ("unknown section", yaml("flet: {workers: 2}\n"), 'did you mean "fleet"?'),
    ("unknown key", put("fleet.worker", 3), 'did you mean "workers"?'),
    ("number as a key", yaml("7: 1\n"), 'unknown key "7"'),
    ("section is a word", put("queue", "fast"), "must be a section"),
    ("section is a list", put("queue", [1, 2]), "must be a section"),
    ("list is a word", put("attachments.hashes", "sha256"), "must be a list"),
    ("escape sequence in a key", put("fleet.\x1b[31mred", 1), "unknown key"),
    ("line break in a key", put("fleet.a\nb", 1), "unknown key"),
]

VALUES: list[Case] = [
    ("yes", put("breaker.disabled", "yes"), "write true"),
    ("octal", put("fleet.workers", "010"), "must be a whole number"),
    ("float for int", put("fleet.workers", 2.5), "must be a whole number"),
    ("date for number", put("fleet.grace_s", "2026-01-01"), "must be a number"),
    ("sexagesimal", put("fleet.grace_s", "1:30"), "must be a number"),
    ("duration with a unit", put("fleet.grace_s", "30s"), "write 30"),
    ("infinite", yaml("log: {max_age_s: .inf}\n"), "finite"),
    ("not a number", yaml("log: {max_age_s: .nan}\n"), "finite"),
    ("overflow", yaml("log: {max_age_s: 1e999}\n"), "finite"),
    ("huge integer", yaml("log: {keep: 1" + "0" * 5000 + "}\n"), "noggin.yaml:10:"),
    ("more than a float holds", yaml(f"log: {{max_age_s: 1{'0' * 400}}}\n"), "finite"),
    ("size beyond sizes", put("attachments.max_bytes", "9" * 400 + " GB"), "finite"),
    ("home of nobody", put("paths.input", "~nobody-of-that-name/x"), "no home folder"),
    ("URL for a rate", put("pacing.defaults.rate", "https://u:swordfish@h"), "is no rate"),
    ("null for a number", put("fleet.workers", None), "fleet.workers"),
    ("list for a number", put("fleet.workers", [4]), "must be a whole number"),
    ("map for a number", put("fleet.workers", {"a": 1}), "must be a whole number"),
    ("no workers", put("fleet.workers", 0), "must be at least 1"),
    ("too many workers", put("fleet.workers", 100_000), "must be at most 512"),
    ("negative threads", put("fleet.threads", -1), "must be at least 1"),
    ("negative wait", put("retry.backoff_base_s", -5), "must be above 0"),
    ("unknown level", put("log.level", "loud"), "must be one of"),
    ("unknown checksum", put("attachments.hashes", ["sha256", "crc"]), "must be one of"),
    ("unknown zone", put("timezone", "Mars/Olympus"), "timezone"),
    ("bad size", put("attachments.max_bytes", "5 parsecs"), "number of bytes"),
    ("bad DSN", put("database.dsn", "mysql://u:swordfish@h/d"), "is no Postgres DSN"),
    ("bad schema", put("database.schema", "Robert'); DROP TABLE"), "is no plain schema name"),
    ("bad URL", put("api.base_url", "ftp://example.com"), "must start with http"),
    ("password in a URL", put("api.base_url", "https://u:swordfish@h"), "user or password"),
    ("bad port", put("api.base_url", "http://h:99999"), "is no URL"),
    ("media URL without TIP", put("api.media_url", "{base_url}/x"), "must contain {tip}"),
    ("bad rate", put("pacing.defaults.rate", "ten a second"), "pacing.defaults.rate"),
    ("bad host in a layer", put("breaker.hosts", {"a b": {"fail_max": 1}}), "breaker.hosts"),
    ("bad role", put("breaker.hosts", {"h.x": {"roles": {"web": {}}}}), "roles"),
    ("bad percentage", put("breaker.defaults.failure_threshold_percent", 101), "at most 100"),
    ("bad layout", put("attachments.layout", "{{ nothing"), "attachments.layout"),
    ("NUL in a path", put("paths.log", "a\x00b"), "NUL"),
]

REFERENCES: list[Case] = [
    ("environment not set", put("api.namespace", "${NOGGIN_NOT_THERE}"), "is not set"),
    ("reference to itself", put("timezone", "${timezone}"), "refers to itself"),
    ("cycle of three", yaml("log: {level: '${log.format}', format: '${log.file}', file:"
                            " '${log.level}'}\n"), "refers to itself"),
    ("reference to nothing", put("timezone", "${fleet.nothing}"), "there is no key"),
    ("reference to a section", put("timezone", "${fleet}"), "whole section"),
    ("open reference", put("timezone", "${fleet.host"), "is not closed"),
    ("empty reference", put("timezone", "${}"), "neither an environment variable nor a key"),
    ("references that double", yaml(_doubling(40)), "grow too large"),
    ("defaults in defaults", put("timezone", "${A:-" * 99 + "x" + "}" * 99), "more than 32"),
    ("wrong type by reference", put("fleet.threads", "${api.namespace}"), "fleet.threads"),
]  # fmt: skip

TOGETHER: list[Case] = [
    ("lease below deadline", put("queue.lease_s", 5), "must be above api.deadline_s"),
    ("poll above lease", put("queue.poll_s", 50), "third of queue.lease_s"),
    ("connect above deadline", put("api.connect_timeout_s", 50), "is above api.deadline_s"),
    ("longest wait below first", put("retry.max_s", 0.1), "is below retry.backoff_base_s"),
    ("open time above its bound", put("breaker.defaults.open_max_s", 0.5), "is below"),
    ("two tokens", put("api.token_file", "/nowhere/token"), "are both given"),
    ("state is another folder", put("paths.state", "/nowhere/state"), "paths.state cannot change"),
    ("monitor is bound", put("monitor.bind", "127.0.0.1:1"), "monitor.bind cannot change"),
]  # fmt: skip

FILES: list[Case] = [
    ("empty file", only(""), "nothing is written in it"),
    ("only comments", only("# all gone\n\n"), "nothing is written in it"),
    ("only null", only("~\n"), "nothing is written in it"),
    ("empty map", only("{}\n"), "nothing is written in it"),
    ("empty sections", only("fleet:\napi: {}\nbreaker: {defaults: }\n"), "nothing is written"),
    ("file is gone", instead(lambda file: None), "there is no such file"),
    ("directory", instead(lambda file: file.mkdir()), "is a directory"),
    ("dangling link", instead(lambda file: file.symlink_to("nowhere")), "no such file"),
    ("link to itself", instead(lambda file: file.symlink_to(file)), "cannot be read"),
    ("pipe", instead(lambda file: os.mkfifo(file)), "is a pipe"),
    ("endless device", instead(lambda file: file.symlink_to("/dev/zero")), "larger than 1 MiB"),
    ("memory of a process", instead(lambda file: file.symlink_to("/proc/self/mem")), "cannot"),
    ("broken drop-in", drop_in(lambda file: file.write_text("fleet: {")), "50-more.yaml:1:"),
    ("unknown key in a drop-in", drop_in(lambda file: file.write_text("fleet: {warkers: 1}\n")),
     '50-more.yaml:1:9: unknown key "fleet.warkers"'),
    ("drop-in is a directory", drop_in(lambda file: file.mkdir()), "is a directory"),
    ("drop-in is a dangling link", drop_in(lambda file: file.symlink_to("x")), "no such file"),
    ("drop-in is a pipe", drop_in(lambda file: os.mkfifo(file)), "is a pipe"),
    ("conf.d is a file", _flat_folder, "conf.d: cannot be read"),
    ("section taken away by a drop-in", drop_in(lambda file: file.write_text("fleet: 7\n")),
     "must be a section"),
    ("no token file", _token(None), "does not exist"),
    ("empty token file", _token(0o600, "\n"), "is empty"),
    ("two words of token", _token(0o600, "swordfish and chips"), "something else than one token"),
    ("folder that cannot be made", put("paths.output", "/proc/nothing/here"), "/proc/nothing"),
    ("log folder that cannot be made", put("paths.log", "/proc/nothing/log"), "paths.log: cannot"),
    ("object types are nowhere", put("object_types", "/nowhere/types"), "/nowhere/types"),
    ("no server", put("database.dsn", "postgresql://u:swordfish@127.0.0.1:1/d"), "127.0.0.1"),
    ("no schema there", put("database.schema", "another_schema"), "another_schema"),
    ("API nowhere", put("api.base_url", "http://no-such-host.invalid:80"), "is not found"),
    ("namespace for no header", put("api.namespace", "a b"), "cannot be sent in a header"),
    ("token command fails", put("api.token_command", "/nowhere/program"), "are both given"),
]  # fmt: skip

CASES = [*SYNTAX, *SHAPES, *VALUES, *REFERENCES, *TOGETHER, *FILES]
SECRET = "swordfish"
"""Stands in several cases where a secret would; nothing may show it."""
