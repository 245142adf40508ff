"""A corpus of wrong configurations: each is told with its place, its reason and its remedy."""

from pathlib import Path
from typing import NamedTuple

import pytest

from noggin_mp.domain import errors
from noggin_mp.settings import loader


class Wrong(NamedTuple):
    """A YAML, and where (line, column) and how (parts of message and remedy) it is refused."""

    name: str
    yaml: str
    line: int
    column: int
    message: str
    remedy: str = ""


CORPUS = [
    # unknown keys
    Wrong("unknown_section", "databse:\n  dsn: x\n", 1, 1, 'unknown key "databse"', '"database"'),
    Wrong("unknown_key", "api:\n  tokn: x\n", 2, 3, 'unknown key "api.tokn"', '"token"'),
    Wrong("unknown_key_dash", "api:\n  base-url: x\n", 2, 3, '"api.base-url"', '"base_url"'),
    Wrong("key_of_other_section", "workers: 3\n", 1, 1, '"workers"', '"fleet.workers"'),
    Wrong("key_nothing_like_it", "queue:\n  zzz: 3\n", 2, 3, '"queue.zzz"', "known here: lease_s"),
    Wrong("breaker_key", "breaker:\n  defaults: {fail_mx: 1}\n", 2, 14, "fail_mx", '"fail_max"'),
    Wrong("role", "breaker:\n  hosts:\n    h.x:\n      roles: {medja: {}}\n", 4, 15,
          "medja", '"media"'),
    Wrong("host_key", "breaker:\n  hosts:\n    h.x: {fail_maxx: 1}\n", 3, 11,
          "fail_maxx", '"fail_max"'),
    Wrong("pacing_key", "pacing:\n  defaults:\n    rates: 1/s\n", 3, 5, "rates", '"rate"'),
    Wrong("merge_key", "queue:\n  <<: {batch: 1}\n", 2, 3, "merge keys", "write the keys out"),
    # duplicates
    Wrong("twice", "fleet:\n  workers: 1\n  workers: 2\n", 3, 3, '"workers" is given twice',
          "line 2"),
    Wrong("section_twice", "log: {}\nfleet: {}\nlog: {}\n", 3, 1, '"log" is given twice', "line 1"),
    # wrong types
    Wrong("quoted_int", 'fleet:\n  workers: "8"\n', 2, 12, 'not text ("8")', "quotes away"),
    Wrong("float_for_int", "fleet:\n  threads: 8.0\n", 2, 12, "whole number (8.0)", "write 8"),
    Wrong("bool_for_int", "queue:\n  batch: true\n", 2, 10, "must be a whole number (true)"),
    Wrong("word_for_int", "queue:\n  batch: many\n", 2, 10, 'must be a whole number ("many")'),
    Wrong("duration", "queue:\n  lease_s: 2m\n", 2, 12, 'number of seconds ("2m")', "write 120"),
    Wrong("duration_ms", "queue:\n  poll_s: 500ms\n", 2, 11, "plain number", "write 0.5"),
    Wrong("quoted_number", "retry:\n  max_s: '3600'\n", 2, 10, "not text", "quotes away"),
    Wrong("nan", "retry:\n  max_s: .nan\n", 2, 10, "retry.max_s must be a finite number"),
    Wrong("null_number", "retry:\n  max_s:\n", 2, 9, "it has no value"),
    Wrong("number_for_text", "api:\n  namespace: 42\n", 2, 14, "must be text (42)", "in quotes"),
    Wrong("list_for_text", "api:\n  namespace: [a]\n", 2, 14, "api.namespace must be text"),
    Wrong("yes_for_bool", "breaker:\n  disabled: yes\n", 2, 13, "true or false", "write true"),
    Wrong("one_for_bool", "breaker:\n  disabled: 1\n", 2, 13, "true or false (1)", "write true"),
    Wrong("text_for_section", "api: hello\n", 1, 6, "api must be a section", "indent"),
    Wrong("list_for_section", "queue:\n  - batch: 1\n", 2, 3, "queue must be a section"),
    Wrong("text_for_list", "attachments:\n  hashes: sha256\n", 2, 11, "a list", "[a, b]"),
    Wrong("text_for_hosts", "breaker:\n  hosts: x\n", 2, 10, "breaker.hosts must be a section"),
    Wrong("size", "attachments:\n  max_bytes: 5 apples\n", 2, 14, "number of bytes", "500 MB"),
    # ranges
    Wrong("zero_workers", "fleet: {workers: 0}\n", 1, 18, "must be at least 1 (0)"),
    Wrong("huge_batch", "queue: {batch: 5000}\n", 1, 16, "must be at most 1000 (5000)"),
    Wrong("negative", "retry: {backoff_base_s: -1}\n", 1, 25, "must be above 0 (-1"),
    Wrong("jitter", "breaker: {defaults: {open_jitter: 1}}\n", 1, 35, "must be below 1 (1"),
    Wrong("role_range", "breaker:\n  hosts:\n    h.x:\n      roles:\n        api: {fail_max: 0}\n",
          5, 25, "breaker.hosts.h.x.roles.api.fail_max must be at least 1 (0)"),
    Wrong("alias_range", "breaker:\n  defaults:\n    reset: 0\n", 3, 12, "above 0 (0"),
    Wrong("alias_twice", "breaker:\n  defaults: {reset: 1, open_duration_s: 2}\n", 2, 13,
          "are one key", 'keep "open_duration_s"'),
    # beyond what numbers, folders and file names can be
    Wrong("no_float_holds_it", f"fleet:\n  grace_s: 1{'0' * 400}\n", 2, 12, "a finite number"),
    Wrong("digits", "fleet:\n  workers: ${DIGITS}\n", 2, 12, "with less digits"),
    Wrong("huge_float", "fleet:\n  workers: 1e300\n", 2, 12, "whole number (1e+300)"),
    Wrong("huge_size", f"log:\n  max_bytes: {'9' * 400} GB\n", 2, 14, "finite number of bytes"),
    Wrong("layout_of_braces", f"attachments:\n  layout: '{'{{' * 900}'\n", 2, 11, "is unusable"),
    Wrong("endless_layout", f"attachments:\n  layout: '{'{{ tip }}' * 900}'\n", 2, 11,
          "longer than 4,096"),
    Wrong("endless_list", f"notify:\n  email:\n    to: '{'a,' * 1500}'\n", 3, 9,
          "more than 1,000 entries"),
    Wrong("no_such_home", "paths:\n  output: ~nobody-of-that-name/x\n", 2, 11, "no home folder"),
    # choices and formats
    Wrong("level", "log: {level: inof}\n", 1, 14, 'one of debug, info, warning, error ("inof")',
          '"info"'),
    Wrong("mode", "breaker: {defaults: {mode: enforced}}\n", 1, 28, "enforce, observe",
          '"enforce"'),
    Wrong("hash", "attachments:\n  hashes: [sha256, sha1]\n", 2, 20, "hashes[1] must be one of"),
    Wrong("no_sha256", "attachments:\n  hashes: [md5]\n", 2, 11, "must contain sha256"),
    Wrong("hash_twice", "attachments:\n  hashes: [sha256, sha256]\n", 2, 11, "twice"),
    Wrong("layout", "attachments: {layout: dat}\n", 1, 23, "neither date nor type"),
    Wrong("layout_pattern", "attachments:\n  layout: '{{ year'\n", 2, 11, "is unusable", "jinja2"),
    Wrong("dsn", "database: {dsn: localhost}\n", 1, 17, "no Postgres DSN", "postgresql://"),
    Wrong("schema", "database: {schema: My-Schema}\n", 1, 20, "no plain schema name"),
    Wrong("base_url", "api: {base_url: services.x.com}\n", 1, 17, "must start with http", ""),
    Wrong("base_url_port", "api:\n  base_url: http://h:99999\n", 2, 13, "is no URL"),
    Wrong("base_url_query", "api:\n  base_url: https://h/?a=b\n", 2, 13, "query or fragment"),
    Wrong("media_part", "api:\n  media_url: '{base_url}/{tipp}{tip}'\n", 2, 14, "{tipp}"),
    Wrong("media_no_tip", "api:\n  media_url: '{base_url}/x'\n", 2, 14, "must contain {tip}"),
    Wrong("bind", "monitor: {bind: 9109}\n", 1, 17, "must be text", "in quotes"),
    Wrong("bind_port", "monitor: {bind: 'h:70000'}\n", 1, 17, "is no host:port"),
    Wrong("zone", "timezone: Australia/Pert\n", 1, 11, "is no time zone"),
    Wrong("host_label", "fleet: {host: 'a b'}\n", 1, 15, "is no host label"),
    Wrong("rate", "pacing: {defaults: {rate: 10 per s}}\n", 1, 27, '"10 per s" is no rate', "10/s"),
    Wrong("rate_zero", "pacing: {defaults: {rate: 0/s}}\n", 1, 27, '"0/s" is no rate'),
    Wrong("rate_twice", "pacing: {defaults: {rate: '1/s, 2/s'}}\n", 1, 27, "given twice"),
    Wrong("adaptive_alone", "pacing: {defaults: {adaptive: true}}\n", 1, 31, "needs a rate"),
    Wrong("scope_url", "breaker:\n  hosts:\n    https://h.x: {}\n", 3, 5, "no host name", "bare"),
    Wrong("host_spelled_twice", "pacing:\n  hosts: {A.x: {}, a.X: {}}\n", 2, 10, "listed twice"),
    # rules over several keys
    Wrong("two_tokens", "api:\n  token: abc\n  token_file: f\n", 3, 15, "both given", "one of"),
    Wrong("lease", "queue: {lease_s: 60}\n", 1, 18, "queue.lease_s (60) must be above", "raise"),
    Wrong("deadline", "api: {deadline_s: 300}\n", 1, 19, "api.deadline_s (300)", "raise"),
    Wrong("read", "api:\n  read_timeout_s: 100\n", 2, 19, "can never be reached", "lower it"),
    Wrong("poll", "queue: {poll_s: 50}\n", 1, 17, "a third of queue.lease_s (120)", "lower"),
    Wrong("watchdog", "fleet: {watchdog_s: 1}\n", 1, 21, "above queue.poll_s (2)", "raise"),
    Wrong("retry", "retry: {max_s: 5}\n", 1, 16, "below retry.backoff_base_s (60)", "raise"),
    Wrong("same_folder", "paths:\n  input: d\n  output: ./d\n", 3, 11, "same folder"),
    Wrong("inside_input", "paths:\n  input: d\n  output: d/out\n", 3, 11, "lies inside"),
    Wrong("open_max", "breaker: {defaults: {open_max_s: 9}}\n", 1, 34, "below open_duration_s"),
    Wrong("open_max_host", "breaker:\n  hosts:\n    H.x:\n      reset: 1000\n", 4, 14,
          "open_max_s (900) is below open_duration_s (1000)"),
    # expansion
    Wrong("unset", "api:\n  token: ${NOT_SET}\n", 2, 10, "variable NOT_SET is not set", "set it"),
    Wrong("empty_variable", "api: {token: '${EMPTY}'}\n", 1, 14, "variable EMPTY is empty"),
    Wrong("unclosed", "api: {namespace: '${NAME'}\n", 1, 18, "not closed", "$${"),
    Wrong("mixed_case", "api: {namespace: '${Name}'}\n", 1, 18, '"${Name}" is neither', "${NAME}"),
    Wrong("no_such_key", "api: {namespace: '${api.nmespace}'}\n", 1, 18, "no key", "${api.name"),
    Wrong("whole_section", "api: {namespace: '${fleet}'}\n", 1, 18, "whole section"),
    Wrong("itself", "api:\n  namespace: x${api.namespace}\n", 2, 14,
          "refers to itself: api.namespace -> api.namespace"),
    Wrong("cycle", "paths:\n  input: ${paths.log}/i\n  log: ${paths.input}/l\n", 2, 10,
          "paths.input -> paths.log -> paths.input"),
    Wrong("bad_number_from_environment", "fleet:\n  workers: ${WORD}\n", 2, 12,
          '("abc" from "${WORD}")'),
    Wrong("odd_number_from_environment", "fleet:\n  workers: ${ODD}\n", 2, 12,
          'must be a whole number ("1__0" from'),
    Wrong("half_character_from_environment", "pacing: {defaults: {rate: '${HALF}'}}\n", 1, 27,
          "the environment variable HALF is not UTF-8"),
    Wrong("underscores", "fleet:\n  workers: 1_2\n", 2, 12, "not text", "write 12"),
    # syntax
    Wrong("colon", "api:\n  namespace: a: b\n", 2, 15, "mapping values are not allowed", ""),
    Wrong("tab", "api:\n\tnamespace: a\n", 2, 1, "indent with spaces, not tabs"),
    Wrong("quote", 'api:\n  namespace: "abc\n', 3, 1, "a quote is opened and not closed"),
    Wrong("bracket", "attachments:\n  hashes: [md5\nlog: {}\n", 3, 4, "expected ',' or ']'"),
    Wrong("brace_value", "api:\n  media_url: {base_url}/m\n", 2, 24, "is not valid YAML"),
    Wrong("indent", "api:\n  namespace: a\n   token: b\n", 3, 9, "is not valid YAML"),
    Wrong("two_documents", "log: {}\n---\nlog: {}\n", 2, 1, "one file holds one document"),
    Wrong("alias", "api:\n  namespace: *abc\n", 2, 14, "starts with * needs quotes"),
    Wrong("control_character", "api:\n  namespace: a\x07b\n", 2, 15, "U+0007 is not allowed"),
    Wrong("tag", "api:\n  namespace: !secret a\n", 2, 14, "tags (!...) are not supported"),
    Wrong("list_key", "? [a]\n: b\n", 1, 3, "a key must be a word"),
    Wrong("tag_on_a_number", "fleet:\n  workers: !!int four\n", 2, 12, "is marked as int"),
    Wrong("tag_in_a_list", "attachments:\n  hashes: [!x sha256]\n", 2, 12, "tags (!...)"),
    Wrong("tag_beside_a_rule", "queue: {lease_s: !x 9}\n", 1, 18, "tags (!...)"),
    Wrong("top_list", "- a\n", 1, 1, "must be a mapping of sections"),
    Wrong("recursive", "api: &a\n  namespace: *a\n", 1, 6, "refers to the very value"),
]  # fmt: skip
ENV = {"EMPTY": "", "WORD": "abc", "DIGITS": "9" * 5000, "ODD": "1__0", "HALF": "1\udcff"}


@pytest.mark.parametrize("wrong", CORPUS, ids=lambda wrong: wrong.name)
def test_read_tells_place_reason_and_remedy_when_the_file_is_wrong(
    wrong: Wrong, tmp_path: Path
) -> None:
    file = tmp_path / "noggin.yaml"
    file.write_text(wrong.yaml, encoding="utf-8")

    with pytest.raises(errors.ConfigError) as caught:
        loader.load(file, env=ENV)

    assert caught.value.exit_code == 3
    [problem] = caught.value.problems
    assert (problem.file, problem.line, problem.column) == (str(file), wrong.line, wrong.column)
    assert wrong.message in problem.message
    assert wrong.remedy in f"{problem.message}; {problem.remedy}"
    assert str(caught.value) == str(problem)


def test_the_corpus_is_large() -> None:
    assert len(CORPUS) >= 40
    assert len({wrong.name for wrong in CORPUS}) == len(CORPUS)
