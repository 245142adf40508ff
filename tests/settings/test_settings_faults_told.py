"""How faults of a configuration are told: all, in order, soon, in few words, with no secret."""

import subprocess
import sys
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.settings import loader


@pytest.mark.parametrize(
    "yaml",
    [
        "api: {{token_file: {name}}}\n",
        "notify: {{ca_file: {name}}}\n",
        "notify: {{email: {{password_file: {name}}}}}\n",
        "notify: {{slack: {{webhook_url_file: {name}}}}}\n",
    ],
)
def test_read_notes_a_file_of_which_no_file_system_bears_the_name(
    yaml: str, tmp_path: Path
) -> None:
    file = tmp_path / "noggin.yaml"
    file.write_text(yaml.format(name="/" + "a" * 300))

    [note] = [note for note in loader.read(file, env={}).notes if "there is no file" in str(note)]

    assert note.line == 1


def test_read_tells_that_the_working_directory_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    file = tmp_path / "noggin.yaml"
    file.write_text("paths: {output: here}\n")

    with pytest.raises(errors.ConfigError) as caught:
        loader.load(file, env={})

    assert "paths.output is relative, and the working directory is gone" in str(
        caught.value.problems
    )


def test_read_cuts_a_message_that_would_fill_the_log(tmp_path: Path) -> None:
    file = tmp_path / "noggin.yaml"
    file.write_text(f"? {'k' * 50_000}\n: 1\n")

    with pytest.raises(errors.ConfigError) as caught:
        loader.load(file, env={})

    assert 'unknown key "kkk' in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_read_tells_thousands_of_faults_and_looks_for_remedies_for_the_first(
    tmp_path: Path,
) -> None:
    file = tmp_path / "noggin.yaml"
    file.write_text("".join(f"timezoned{n}: 1\n" for n in range(9000)))

    with pytest.raises(errors.ConfigError) as caught:
        loader.load(file, env={})

    found = caught.value.problems
    assert [problem.line for problem in found] == list(range(1, 9001))
    assert (found[0].remedy, found[-1].remedy) == ('did you mean "timezone"?', "")


SECRET = "s3cr3t-T0ken"
LEAKS = [
    f"api:\n  tokn: {SECRET}\n",
    f"api:\n  token: [{SECRET}]\n",
    f"api:\n  token: {{a: {SECRET}}}\n",
    f'api:\n  token: "{SECRET}\n',
    f"api:\n  token: {SECRET}: x\n",
    f"api:\n  token: *{SECRET}\n",
    f"api:\n  token: !{SECRET} a\n",
    f"api: {{token: {SECRET}, base_url: [}}\n",
    f"api:\n  token: |\n    {SECRET}\n   \t{SECRET}\n  x\n",
    f"api: {SECRET}\n",
    f"api:\n  base_url: https://u:{SECRET}@h\n",
    f"database:\n  dsn: mysql://u:{SECRET}@h/d\n",
    f"database:\n  dsn: postgresql://u:{SECRET}@h/d\n x\n",
    f"database:\n  password: {SECRET}\n",
    f"pacing:\n  defaults: {{rate: 'https://u:{SECRET}@h'}}\n",
    "fleet:\n  workers: ${NOGGIN_TOKEN}\n",
    "api:\n  base_url: ${NOGGIN_TOKEN}\n",
    f"api:\n  token: {SECRET}\n  base_url: 'x${{api.token}}'\n",
    f"notify:\n  slack:\n    webhook_url: https://hooks.x/{SECRET}: x\n",
    f"notify:\n  slack: {{webhook_url: 'https://h/{SECRET}'}}\n"
    "timezone: ${notify.slack.webhook_url}\n",
    "timezone: ${SLACK_WEBHOOK_URL}\n",
    f"api:\n  token: {SECRET}\n  base_url: ${{api.token}}\n",
]


@pytest.mark.parametrize("text", LEAKS)
def test_read_never_shows_a_secret_when_the_file_is_wrong(text: str, tmp_path: Path) -> None:
    file = tmp_path / "noggin.yaml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(errors.ConfigError) as caught:
        loader.load(file, env={"NOGGIN_TOKEN": SECRET, "SLACK_WEBHOOK_URL": SECRET})

    told = f"{caught.value} {caught.value!r} {caught.value.problems}"
    assert SECRET not in told


def test_read_shows_line_and_caret_when_the_syntax_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "noggin.yaml"
    file.write_text("api:\n  namespace: a: b\n", encoding="utf-8")

    with pytest.raises(errors.ConfigError) as caught:
        loader.load(file, env={})

    assert caught.value.problems[0].message.splitlines()[1:] == [
        "  2 |   namespace: a: b",
        "    |               ^",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"api:\n  namespace: {'1a' * 200_000}: b\n", "mapping values are not allowed"),
        (f"api:\n  base_url: '{'://' * 200_000}'\n", "must start with http"),
    ],
)
def test_read_tells_the_fault_at_once_when_a_word_is_endless(
    tmp_path: Path, text: str, told: str
) -> None:
    """In a process that can be ended: hours went by where the time grew with the square."""
    (tmp_path / "n.yaml").write_text(text)
    read = "from pathlib import Path; from noggin_mp.settings import loader"

    done = subprocess.run(
        [sys.executable, "-c", f"{read}; loader.load(Path('n.yaml'), env={{}})"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert told in done.stderr


def test_read_masks_the_excerpt_when_the_line_holds_a_token(tmp_path: Path) -> None:
    file = tmp_path / "noggin.yaml"
    file.write_text("api:\n  token: abc: def\n", encoding="utf-8")

    with pytest.raises(errors.ConfigError) as caught:
        loader.load(file, env={})

    assert caught.value.problems[0].message.splitlines()[1] == "  2 |   token: **** ***"


def test_read_tells_all_faults_in_file_order_when_there_are_many(tmp_path: Path) -> None:
    file = tmp_path / "noggin.yaml"
    file.write_text(
        "retry: {max_s: 1}\nfleet:\n  workers: 0\n  workers: 1\n  thread: 2\n"
        "api:\n  namespace: ${NOPE}\nqueue: {lease_s: 1m}\n",
        encoding="utf-8",
    )

    with pytest.raises(errors.ConfigError) as caught:
        loader.load(file, env={})

    assert [problem.line for problem in caught.value.problems] == [1, 3, 4, 5, 7, 8]
    assert "has 6 faults" in str(caught.value)
