"""What a child tells through its pipe: whole messages, beats within limits, in any weather."""

import fcntl
import os

import pytest

from noggin_mp.supervisor import messages


def test_receiver_gives_whole_messages_when_bytes_come_in_pieces(pipe: tuple[int, int]) -> None:
    receiver = messages.Receiver(pipe[0])
    seen = []
    for piece in (b'{"event": "be', b'at", "busy": 3}\n{"event"', b': "drained"}\n{"ev'):
        os.write(pipe[1], piece)
        told, at_end = receiver.read()
        seen.append((told, at_end))
    os.close(pipe[1])

    assert seen == [
        ([], False),
        ([{"event": "beat", "busy": 3}], False),
        ([{"event": "drained"}], False),
    ]
    assert receiver.read() == ([], True)


@pytest.mark.parametrize("junk", [b"junk\n", b"[1]\n", b'{"event": 1}\n', b"\xff\xfe\n", b"\n"])
def test_receiver_skips_what_is_no_message_when_it_comes(
    pipe: tuple[int, int], junk: bytes
) -> None:
    os.write(pipe[1], junk + b'{"event": "beat"}\n')

    assert messages.Receiver(pipe[0]).read() == ([{"event": "beat"}], False)


def test_receiver_forgets_an_endless_line_when_it_grows(pipe: tuple[int, int]) -> None:
    receiver = messages.Receiver(pipe[0])
    os.write(pipe[1], b"x" * 5000)
    assert receiver.read() == ([], False)
    os.write(pipe[1], b'\n{"event": "beat"}\n')

    assert receiver.read() == ([{"event": "beat"}], False)


def test_sender_drops_beats_but_keeps_messages_when_the_pipe_is_full(
    pipe: tuple[int, int],
) -> None:
    sender = messages.Sender(pipe[1])
    fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, 4096)
    for busy in range(1000):
        sender.beat(busy)
    sender.tell("drained", {"exit_code": 1})
    receiver = messages.Receiver(pipe[0])
    beats, _ = receiver.read()
    sender.flush(1.0)
    after, _ = receiver.read()

    assert 50 < len(beats) < 1000
    assert after == [{"event": "drained", "exit_code": 1}]


def test_sender_limits_beats_when_nothing_changed(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    sender = messages.Sender(pipe[1])

    assert [sender.beat(busy) for busy in (1, 1, 2, 2)] == [True, False, True, False]
    now[0] += messages.BEAT_EVERY_S
    assert [sender.beat(2), sender.beat(2)] == [True, False]


def test_sender_cuts_long_text_when_it_tells(pipe: tuple[int, int]) -> None:
    messages.Sender(pipe[1]).tell("fatal", {"exit_code": 3, "message": "x" * 10_000})
    told, _ = messages.Receiver(pipe[0]).read()

    assert told[0]["exit_code"] == 3
    assert len(str(told[0]["message"])) == 500


def test_sender_goes_on_when_nobody_reads_any_more(pipe: tuple[int, int]) -> None:
    sender = messages.Sender(pipe[1])
    os.close(pipe[0])
    sender.tell("drained", {"exit_code": 0})

    assert sender.beat(1)
