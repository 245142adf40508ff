"""The command line as a process of its own: signals, a closed pipe, warnings."""

import os
import subprocess
import sys

import pytest


def script(body: str) -> list[str]:
    """A command line that runs `body` as the verb `probe` in a process of its own."""
    return [
        sys.executable,
        "-c",
        "import sys, signal, click\n"
        "from noggin_mp.cli import context, main\n"
        "@click.command()\n@context.pass_context\ndef probe(ctx):\n"
        + "".join(f"    {line}\n" for line in body.splitlines())
        + "sys.modules['probing'] = sys.modules[__name__]\n"
        "main.VERBS['probe'] = main.Verb('probing:probe', '')\n"
        "sys.argv = ['noggin-mp', 'probe']\nmain.entry()\n",
    ]


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(15, 143, b"noggin-mp: terminated\n"), (2, 130, b"noggin-mp: interrupted\n")],
)
def test_a_signal_unwinds_and_ends_with_128_more(number: int, code: int, said: bytes) -> None:
    body = (
        "import time\ntry:\n    print('ready', flush=True)\n"
        "    while True:\n        time.sleep(0.1)\n"
        "finally:\n    print('tidied')"
    )
    process = subprocess.Popen(script(body), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=300)

    assert (process.returncode, out, err) == (code, b"tidied\n", said)


def test_a_closed_pipe_is_no_error_message() -> None:
    body = "while True:\n    ctx.emit({}, 'line ' * 1000)"
    reader, writer = os.pipe()
    process = subprocess.Popen(script(body), stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    os.read(reader, 10)
    os.close(reader)
    _, err = process.communicate(timeout=300)

    assert (process.returncode, err) == (141, b"")


def test_a_warning_of_ours_is_one_sentence() -> None:
    body = (
        "import warnings\nfrom noggin_mp.settings import secrets\n"
        "warnings.warn(secrets.OpenToken('f is open; run: chmod 600 f'))\n"
        "warnings.warn('a library frets')"
    )
    done = subprocess.run(script(body), capture_output=True, check=True)

    assert done.stderr == b"noggin-mp: warning: f is open; run: chmod 600 f\n"
