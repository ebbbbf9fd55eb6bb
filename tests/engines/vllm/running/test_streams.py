"""Streams of vLLM, as recorded: tokens are those that it counts, times those that it measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.evaluate.test_breakdown import asked
from tuner.engines.serving.chat import read_chat
from tuner.evaluate.breakdown import Breakdown, breakdown
from tuner.load.issue import Reply
from tuner.load.wire import Exchange

RECORDED = Path(__file__).parent / "recorded"
ALIVE = b": keep-alive\n\n"
MS = 10**6


def frames(name: str) -> list[bytes]:
    """Return the events of a recorded stream."""
    return [f + b"\n\n" for f in (RECORDED / name).read_bytes().split(b"\n\n") if f.strip()]


def read(sent: list[bytes], outcome: Any = "ok") -> Reply:
    """Return the reply of events that came a millisecond after each other."""
    chunks = tuple(((i + 1) * MS, frame) for i, frame in enumerate(sent))
    whole = Exchange(0, 99 * MS, 0, 200, chunks, outcome, content_type="text/event-stream")
    return read_chat(whole)


@pytest.mark.parametrize("name", ["stream-usage.txt", "stream-continuous.txt"])
def test_a_recorded_stream_is_read_in_full(name: str) -> None:
    """Eight tokens, the last of which ends the answer, in seven chunks of text; and its times."""
    reply = read(frames(name))

    assert (reply.outcome, reply.answer, reply.finish) == ("ok", "I'm glad to meet you.", "stop")
    assert (reply.prompt_tokens, reply.output_tokens, reply.by_chunks) == (38, 8, False)
    assert (reply.first_ns, reply.last_ns) == (2 * MS, 8 * MS)
    assert {"queue_time_ms", "time_to_first_token_ms", "generation_time_ms"} < set(reply.server)
    steps_ms = reply.server["generation_time_ms"]
    assert reply.server["mean_itl_ms"] == pytest.approx(steps_ms / (8 - 1))


def test_comments_that_keep_a_stream_alive_are_nothing() -> None:
    """`--sse-keep-alive-interval` sends them before the first token and between any two."""
    plain = frames("stream-usage.txt")

    alive, without = read([ALIVE, ALIVE, *(ALIVE + frame for frame in plain)]), read(plain)

    assert (alive.answer, alive.output_tokens) == (without.answer, without.output_tokens)
    assert (alive.first_ns, alive.last_ns) == (4 * MS, 10 * MS)


def several(*texts: str, counts: tuple[int, ...] = ()) -> list[bytes]:
    """Return a stream of chunks; with `counts` each tells how many tokens there are by then."""
    sent = []
    for i, text in enumerate(texts):
        frame: dict[str, Any] = {"choices": [{"delta": {"content": text}, "finish_reason": None}]}
        if counts:
            frame["usage"] = {"prompt_tokens": 5, "completion_tokens": counts[i]}
        sent.append(b"data: " + json.dumps(frame).encode() + b"\n\n")
    return sent


END = [
    b'data: {"choices":[{"delta":{"content":""},"finish_reason":"length"}]}\n\n',
    b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":9}}\n\n',
    b"data: [DONE]\n\n",
]


@pytest.mark.parametrize("counts", [(), (1, 5, 9)], ids=["at the end", "with each chunk"])
def test_chunks_of_several_tokens_are_not_taken_for_tokens(counts: tuple[int, ...]) -> None:
    """Under speculation or a stream interval three chunks hold nine tokens, of one word each."""
    reply = read([*several("a", "b", "c", counts=counts), *END])

    assert (reply.output_tokens, reply.by_chunks) == (9, False)


def test_an_answer_that_breaks_off_has_the_tokens_that_were_told() -> None:
    """With counts in each chunk it is known how far it came."""
    reply = read(several("a", "b c", "d", counts=(1, 5, 7)), outcome="incomplete")

    assert (reply.outcome, reply.output_tokens, reply.by_chunks) == ("incomplete", 7, False)


def _found(server: Any, **facts: Any) -> Breakdown:
    found = breakdown([asked(server, **facts)], scheduled=False)
    assert found is not None
    return found


def test_the_parts_of_a_request_are_those_that_vllm_told() -> None:
    """Queue, prefill (from scheduling) and decode are measured; seven steps gave seven."""
    server = read(frames("stream-usage.txt")).server
    found = _found(server, output_tokens=8, first_ns=1000 * MS, last_ns=3300 * MS, end_ns=3300 * MS)
    parts = {p.name: (p.known, p.sum_s) for p in found.parts}

    assert parts["queue"] == ("measured", pytest.approx(0.0000312, rel=0.01))
    assert parts["prefill"] == ("measured", pytest.approx(0.9277, rel=0.001))
    assert parts["decode"] == ("measured", pytest.approx(2.2550, rel=0.001))
    assert parts["network"][0] == "derived"
    assert found.decode is not None
    assert found.decode.tokens_per_s == pytest.approx(7 / 2.255, rel=0.001)


@pytest.mark.parametrize(
    "missing", ["queue_time_ms", "time_to_first_token_ms", "generation_time_ms"]
)
def test_what_vllm_leaves_out_is_not_guessed(missing: str) -> None:
    """It tells null for what it has no stamps of; the division is then as coarse as it must be."""
    told = {**read(frames("stream-usage.txt")).server, missing: None}
    frame = f"data: {json.dumps({'choices': [], 'metrics': told})}\n\n".encode()
    server = read([*several("a", "b"), END[0], frame, END[2]]).server
    names = [p.name for p in _found(server).parts]

    assert missing not in server
    assert ("network+queue" in names) == (missing == "queue_time_ms")
    assert ("network+queue+prefill" in names) == (missing != "queue_time_ms")
