"""FakeServer over real sockets: it answers like the recorded server and fails as told."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tuner.testing.fake_server import command, running
from tuner.testing.fake_world import RECORDED

QUICK = ("--ttft-ms", "2", "--itl-ms", "0.2", "--prompt-us-per-token", "1")
ASK = [{"role": "user", "content": "Create a task: café visit by Friday"}]
SHOT = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "{}"}]
JSON_ONLY = {"type": "json_object"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Serve two slots, quickly and well."""
    with running(*QUICK, n_ctx=2048, n_parallel=2) as (_, number):
        yield number


def call(port: int, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
    """Send one request on a connection of its own; return status and document."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    data = None if body is None else json.dumps(body)
    connection.request("GET" if body is None else "POST", path, data)
    with connection.getresponse() as response:
        answer = response.status, json.loads(response.read())
    connection.close()
    return answer


def raw(port: int, **body: Any) -> bytes:
    """Send one chat request; return every byte up to the end of the connection."""
    data = json.dumps({"messages": ASK, "stream": True, **body}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(head.encode() + data)
        return b"".join(iter(lambda: client.recv(65536), b""))


def frames(response: bytes) -> list[str]:
    """Return the data of each event in the raw bytes of a chunked response."""
    rest, body = response.split(b"\r\n\r\n", 1)[1], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return [event.removeprefix("data: ") for event in body.decode().split("\n\n") if event]


def text(response: bytes) -> str:
    """Return the text that a streamed response says."""
    documents = [json.loads(frame) for frame in frames(response)[:-1]]
    deltas = [choice["delta"] for document in documents for choice in document["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def shape(value: Any) -> Any:
    """Return a document's keys, without its values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items() if inner is not None}
    return [shape(inner) for inner in value] if isinstance(value, list) else None


def shapes(response: bytes) -> list[str]:
    """Return the shapes of a stream's frames, repeated ones once."""
    found = [json.dumps(shape(json.loads(f)), sort_keys=True) for f in frames(response)[:-1]]
    return list(dict.fromkeys(found))


def head_names(response: bytes) -> list[str]:
    """Return status line and header names of a raw response."""
    lines = response.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")
    return [lines[0], *(line.partition(":")[0] for line in lines[1:])]


def chunk_sizes(response: bytes) -> list[int]:
    """Return how many events stand in each chunk of a raw response."""
    return [part.count(b"data: ") for part in re.split(rb"\r\n[0-9a-f]+\r\n", response)[1:]]


def test_streams_frames_with_the_keys_of_the_recorded_ones(port: int) -> None:
    """Frames, their order, their keys, chunks and headers are those of the real server."""
    real = (RECORDED / "chat.http").read_bytes()
    fake = raw(port, stream_options={"include_usage": True})
    assert shapes(fake) == shapes(real)
    assert head_names(fake) == head_names(real)
    assert frames(fake)[-1] == frames(real)[-1] == "[DONE]"
    assert set(chunk_sizes(fake)) == set(chunk_sizes(real))
    assert (chunk_sizes(fake)[0], chunk_sizes(fake)[-3:]) == (2, [2, 1, 0])


def test_start_prints_lines_of_the_recorded_log(tmp_path: Path) -> None:
    """Each line that the fake prints for the recorded settings begins a real line."""
    log = tmp_path / "engine.log"
    with running(log=log, n_ctx=600, n_parallel=2, n_batch=128, n_threads=2):
        said = [line.partition(" ")[2] for line in log.read_text().splitlines()]
    real = [line[13:] for line in (RECORDED / "startup.log").read_text().splitlines()]
    for line in said[:-2]:
        assert any(recorded.startswith(line) for recorded in real), line
    assert "llama_kv_cache" in str(said) and "listening on" in said[-1]


def test_is_serving_within_a_moment() -> None:
    """Starting costs far less than a real engine."""
    began = time.monotonic()
    with running():
        assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("name", ["props", "slots"])
def test_documents_have_the_recorded_keys(name: str) -> None:
    """The keys of /props and of a used /slots are those of the real server."""
    with running(*QUICK, n_ctx=600, n_parallel=2) as (_, port):
        raw(port)
        fake = call(port, f"/{name}")[1]
    assert shape(fake) == shape(json.loads((RECORDED / f"{name}.json").read_text()))


def test_slots_show_the_last_request(port: int) -> None:
    """What is in force for a request can be read back, in 32-bit fractions."""
    raw(port, temperature=0.2, top_k=20, repeat_penalty=1.1, seed=7, max_tokens=3)
    shown = [slot for slot in call(port, "/slots")[1] if slot.get("params", {}).get("seed") == 7]
    params = shown[0]["params"]
    assert params["temperature"] == pytest.approx(0.2) and params["temperature"] != 0.2
    assert (params["top_k"], params["n_predict"], params["max_tokens"]) == (20, 3, 3)


def test_a_prompt_that_is_too_long_is_refused_as_recorded(port: int) -> None:
    """The refusal has status, headers and keys of the real one."""
    fake = raw(port, messages=[{"role": "user", "content": "word " * 3000}])
    real = (RECORDED / "too_long.http").read_bytes()
    assert head_names(fake) == head_names(real)
    documents = [json.loads(answer.split(b"\r\n\r\n", 1)[1]) for answer in (fake, real)]
    assert list(documents[0]["error"]) == list(documents[1]["error"])
    assert documents[0]["error"]["type"] == documents[1]["error"]["type"]


def test_whole_answers_and_the_small_paths(port: int) -> None:
    """Health, models, template and answers without a stream are there; other paths are not."""
    status, whole = call(port, "/v1/chat/completions", {"messages": ASK, "max_tokens": 3})
    assert (status, whole["choices"][0]["finish_reason"]) == (200, "length")
    assert whole["usage"]["completion_tokens"] == 3
    assert call(port, "/health") == (200, {"status": "ok"})
    assert call(port, "/v1/models")[1]["data"][0]["id"] == "/models/model.gguf"
    prompt = call(port, "/apply-template", {"messages": ASK})[1]["prompt"]
    assert prompt.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
    assert (call(port, "/nope")[0], call(port, "/apply-template", {})[0]) == (404, 400)


def test_examples_make_answers_right() -> None:
    """Prose without examples, more right actions with them, broken JSON when hot."""
    asked = [[{"role": "user", "content": f"Create a task: number {i}"}] for i in range(30)]
    with running(*QUICK, "--ttft-ms", "0", n_parallel=4) as (_, port):

        def right(shots: int) -> int:
            said = [text(raw(port, messages=SHOT * shots + ask)) for ask in asked]
            return sum(json.loads(answer)["action"] == "create_task" for answer in said)

        few, many = right(1), right(6)
        assert text(raw(port)).startswith("Sure")
        hot = [text(raw(port, messages=a, response_format=JSON_ONLY, temperature=1)) for a in asked]
    assert few < many
    assert 0 < sum(not answer.endswith("}") for answer in hot) < len(asked)


def test_answers_come_from_a_file(tmp_path: Path) -> None:
    """An answer can be chosen by a part of the question."""
    path = tmp_path / "answers.json"
    path.write_text(json.dumps({"café": {"action": "drink"}}), encoding="utf-8")
    with running(*QUICK, "--answer", str(path)) as (_, port):
        assert json.loads(text(raw(port))) == {"action": "drink"}


def test_time_follows_prompt_cache_and_threads() -> None:
    """A cached prompt is quicker than a new one; one thread is slower than two."""
    body = {"messages": [{"role": "user", "content": "word " * 200}], "max_tokens": 5}
    spent = {}
    for threads in (1, 2):
        slow = ("--prompt-us-per-token", "400", "--ttft-ms", "5")
        with running(*slow, n_threads=threads) as (_, port):
            timings = [call(port, "/v1/chat/completions", body)[1]["timings"] for _ in "ab"]
            spent[threads] = [timing["prompt_ms"] for timing in timings]
    assert spent[2][0] == pytest.approx(spent[1][0] / 2, rel=0.01)
    assert spent[2][1] < spent[2][0] / 5


def test_requests_beyond_the_slots_wait() -> None:
    """Three requests on two slots take two turns."""
    with running("--ttft-ms", "150", "--itl-ms", "0", n_parallel=2) as (_, port):
        began = time.monotonic()
        with ThreadPoolExecutor(3) as pool:
            took = sorted(pool.map(lambda _: (raw(port), time.monotonic() - began)[1], range(3)))
    assert took[1] < 0.27 and 0.3 < took[2] < 0.6


def test_ignored_settings_keep_their_defaults(tmp_path: Path) -> None:
    """What is ignored shows its default in log and slots; the rest what was asked."""
    log, ignored = tmp_path / "engine.log", ("--ignore", "n_batch", "--ignore", "top_k")
    with running(*QUICK, *ignored, log=log, n_batch=64, n_ctx=8192) as (_, port):
        raw(port, top_k=3, top_p=0.5)
        params = call(port, "/slots")[1][0]["params"]
    assert (params["top_k"], params["top_p"]) == (40, 0.5)
    assert "n_batch               = 2048" in log.read_text()


def test_loading_is_told() -> None:
    """Until the model has loaded every path answers 503."""
    with running("--never-ready", ready="bound to") as (_, port):
        status, answer = call(port, "/health")
    assert (status, answer["error"]["message"]) == (503, "Loading model")


@pytest.mark.parametrize(
    ("options", "settings", "code", "line"),
    [
        (["--oom-at-start"], {}, 1, "failed to allocate buffer of size"),
        (["--die-at-start", "3"], {}, 3, "exiting due to model loading error"),
        ([], {"cache_type": "q8_0", "flash_attention": "off"}, 1, "requires flash_attn"),
    ],
)
def test_failing_starts_say_why(
    options: Sequence[str], settings: dict[str, str], code: int, line: str
) -> None:
    """A start that fails leaves a line like llama.cpp's and an exit code."""
    ended = subprocess.run(command(*options, **settings), capture_output=True, text=True)
    assert ended.returncode == code
    assert line in ended.stderr


@pytest.mark.parametrize(
    ("option", "expected"),
    [("--cut-every", (1, False)), ("--no-done-every", (1, True)), ("--garbage-every", (2, True))],
)
def test_every_second_stream_is_spoilt(option: str, expected: tuple[int, bool]) -> None:
    """One stream is whole, the next is cut, has no end, or holds garbage."""
    with running(*QUICK, option, "2") as (_, port):
        good, bad = raw(port), raw(port)
    assert good.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    ends = (bad.count(b"[DONE]") + 1, bad.endswith(b"0\r\n\r\n"))
    assert ends == expected


def test_errors_and_a_crash_come_when_told() -> None:
    """The second request fails, the fourth kills the process with 139."""
    with running(*QUICK, "--error-every", "2", "--crash-after", "3") as (process, port):
        assert [raw(port)[9:12] for _ in range(3)] == [b"200", b"500", b"200"]
        with contextlib.suppress(ConnectionResetError):  # the kernel may tell it either way
            assert raw(port) == b""
        assert process.wait(2) == 139


def test_a_stall_takes_its_time() -> None:
    """An answer can stop for a while in its middle."""
    with running(*QUICK, "--stall-every", "1", "0.3") as (_, port):
        began = time.monotonic()
        raw(port)
    assert time.monotonic() - began > 0.3


def test_replays_and_splits_bytes() -> None:
    """The recorded bytes arrive whole even when sent in odd pieces."""
    with running("--replay", "--split-writes") as (_, port):
        assert raw(port) == (RECORDED / "chat.http").read_bytes()


def test_connections_live_as_told() -> None:
    """A stream's connection stays when asked for, and an idle one is closed."""
    options = (*QUICK, "--keep-alive", "--close-idle-after-ms", "80", "--split-writes")
    with running(*options) as (_, port):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        for _ in range(2):
            client.request("POST", "/chat/completions", json.dumps({"messages": ASK, "stream": 1}))
            with client.getresponse() as response:
                assert response.read().endswith(b"[DONE]\n\n")
        held = client.sock
        assert held is not None and held.recv(1) == b""
        client.close()


def test_a_client_that_leaves_frees_its_slot() -> None:
    """A request is dropped when its client has gone, and the next one is served."""
    with running("--ttft-ms", "1", "--itl-ms", "50") as (_, port):
        data = json.dumps({"messages": ASK, "stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(data)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(head.encode() + data)
            client.recv(10)
        time.sleep(0.1)
        assert not call(port, "/slots")[1][0]["is_processing"]


def test_ends_at_once_in_the_middle_of_a_stream(tmp_path: Path) -> None:
    """SIGTERM ends the process quickly, with code 0 and nothing in the log."""
    log = tmp_path / "engine.log"
    with running("--itl-ms", "500", log=log) as (process, port):
        data = json.dumps({"messages": ASK, "stream": True}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(data)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(head.encode() + data)
            client.recv(10)
            process.terminate()
            assert process.wait(1) == 0
    assert "Traceback" not in log.read_text() and "rror" not in log.read_text()


def test_a_deaf_server_with_a_grandchild(tmp_path: Path) -> None:
    """SIGTERM can be ignored, and a grandchild outlives the server in its own session."""
    log = tmp_path / "engine.log"
    with running("--ignore-sigterm", "--spawn-grandchild", log=log) as (process, port):
        process.terminate()
        assert call(port, "/health")[0] == 200
    found = re.search(r"grandchild pid = (\d+)", log.read_text())
    assert found is not None and process.returncode == -signal.SIGKILL
    grandchild = int(found[1])
    assert os.getsid(grandchild) == grandchild
    os.kill(grandchild, signal.SIGKILL)


def test_recorded_bytes_name_no_path_of_a_machine() -> None:
    """Only the invented model path stands in what was recorded."""
    for path in RECORDED.iterdir():
        assert not re.search(r"/(work|tmp|home|root|usr)/|site-packages", path.read_text()), path
        assert path.stat().st_size < 40_000


def test_an_endless_answer_goes_on() -> None:
    """An endless stream is longer than any answer and has no end."""
    data = json.dumps({"messages": ASK, "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
    with (
        running(*QUICK, "--endless") as (_, endless),
        socket.create_connection(("127.0.0.1", endless), timeout=5) as client,
    ):
        client.sendall(head.encode() + data)
        got = b""
        while got.count(b"data: ") < 200:
            got += client.recv(65536)

    assert b"[DONE]" not in got
