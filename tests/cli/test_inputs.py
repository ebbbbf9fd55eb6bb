"""What users write in their files, from the command line: sent as written, or refused at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.test_cli import FAST, tune

GOOD = '{"template": "a"}'


def study(folder: Path, url: str = "http://127.0.0.1:9", **files: str | bytes) -> None:
    """Write a study of a running server; `files` are texts of files that it names, by stem."""
    names = {"prompts": "prompts.jsonl", "slots": "slots.yaml", "schema": "schema.json",
             "shots": "shots.jsonl", "system": "system.txt"}  # fmt: skip
    for stem, content in {"prompts": GOOD, **files}.items():
        raw = content.encode() if isinstance(content, str) else content
        (folder / names.get(stem, "study.yaml")).write_bytes(raw)
    if "study" not in files:
        prompt: dict[str, Any] = {"shots": "shots.jsonl"} if "shots" in files else {}
        prompt |= {"system": {"own": "system.txt"}} if "system" in files else {}
        workload = {n: names[n] for n in ("prompts", "slots", "schema") if n in {"prompts", *files}}
        content = {
            "version": 1, "name": "s", "engine": {"kind": "openai", "url": url, "model": "m"},
            "workload": {**workload, "prompt": prompt},
            "slo": [{"metric": "e2e", "max_ms": 800}],
            "baseline": {"num_predict": 64} | ({"system": "own"} if "system" in files else {}),
        }  # fmt: skip
        (folder / "study.yaml").write_text(yaml.safe_dump(content))


STUDY = (
    "version: 1\nname: s\nengine: {kind: openai, url: 'http://127.0.0.1:9', model: m}\n"
    "workload: {prompts: prompts.jsonl}\nslo: [{metric: e2e, max_ms: 800}]\n"
)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"prompts": '{"template": "nice \\ud83d day"}'}, "prompts.jsonl:1: template: holds half"),
        ({"prompts": '{"template": null}'}, "prompts.jsonl:1: template: expected text"),
        ({"prompts": GOOD + '\n{"template": "b", "weight": NaN}'}, "prompts.jsonl:2: weight: "),
        ({"prompts": '{"template": "a", "held_out": "no"}'}, "held_out: expected true or false"),
        ({"prompts": '{"template": "a", "expect": {"regex": "("}}'}, "expect.regex: '(' is not"),
        ({"prompts": '{"template": "a", "expect": {"contains": 5}}'}, "expect.contains: expected"),
        ({"prompts": '{"template": "a", "expect": {"contain": "x"}}'}, "did you mean contains?"),
        ({"prompts": '{"template": "a", "expect": 5}'}, "expect: expected an object"),
        ({"prompts": '{"messages": [{"role": "gpt", "content": "a"}]}'}, "messages.0.role: "),
        ({"prompts": '[\n{"conversations": []}\n]'}, "one array over several lines"),
        ({"prompts": GOOD, "slots": "a: [b]\na: [c]"}, "slots.yaml:2: a stands twice"),
        ({"prompts": '{"template": "{x} {b}"}', "slots": "x: [1]"}, "unknown slot 'b'"),
        ({"schema": '{"type": "string", "pattern": "("}'}, "schema.json: not a JSON Schema"),
        ({"shots": '{"id": "a", "user": null, "assistant": "b"}'}, "shots.jsonl:1: user: expected"),
        ({"system": b"\xff\xfeH\x00i\x00"}, "system.txt cannot be read: it is not UTF-8"),
        ({"study": STUDY + "baseline: {num_predict: 8, num_predict: 4}"}, "stands twice (first in"),
        ({"study": STUDY + "baseline: {num_predict: 010}"}, "study.yaml:6: YAML reads 010 as 8"),
        ({"study": STUDY + "baseline: {num_predict: 1e2}"}, "YAML reads 1e2 as text; write 100"),
        ({"study": STUDY + "baseline: {num_predict: 39.09}"}, "num_predict: expected a whole num"),
        ({"study": STUDY + "baseline: {temperature: .nan}"}, "YAML reads .nan as nan"),
        ({"study": STUDY + "search: {seed: -1}"}, "search.seed: expected greater than or equal"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_exit_2(
    tmp_path: Path, files: dict[str, str | bytes], said: str
) -> None:
    """A check says in a sentence what is wrong, with file, line and field."""
    study(tmp_path, **files)
    found = tune("study", "check", "study.yaml", cwd=tmp_path)

    assert found.returncode == 2, found.stderr
    assert said in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    "files",
    [
        {"prompts": '{"template": "nice \\ud83d day"}'},
        {"prompts": '{"template": "a", "expect": {"regex": "("}}'},
        {"prompts": GOOD + '\n{"template": "b", "weight": Infinity}'},
        {"study": STUDY + "baseline: {num_predict: 8, num_predict: 4}"},
        {"study": STUDY + "baseline: {num_predict: 39.09}"},
    ],
)
def test_measuring_refuses_what_a_check_refuses(tmp_path: Path, files: dict[str, str]) -> None:
    """The sentence is the same, and nobody is asked for an answer."""
    study(tmp_path, **files)
    checked = tune("study", "check", "study.yaml", cwd=tmp_path)
    found = tune("measure", "study.yaml", "--requests", "2", cwd=tmp_path)

    assert found.returncode == checked.returncode == 2
    assert found.stderr == checked.stderr


@contextmanager
def recording() -> Iterator[tuple[str, list[list[dict[str, str]]]]]:
    """Give the url of a server that answers `ok`, and the conversations that it was sent."""
    seen: list[list[dict[str, str]]] = []

    class Recording(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply("application/json", b'{"data": [{"id": "m"}]}')

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append(body["messages"])
            frames: list[dict[str, Any]] = [
                {"choices": [{"delta": {"content": "ok"}, "finish_reason": None}]},
                {"choices": [{"delta": {}, "finish_reason": "stop"}],
                 "usage": {"prompt_tokens": 1, "completion_tokens": 1}},
            ]  # fmt: skip
            lines = [*(json.dumps(f) for f in frames), "[DONE]"]
            text = "".join(f"data: {line}\n\n" for line in lines)
            self._reply("text/event-stream", text.encode())

        def _reply(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Recording)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


def sent(folder: Path, **files: str | bytes) -> list[list[dict[str, str]]]:
    """Return the conversations that a measurement of a study sends, without warming up."""
    with recording() as (url, seen):
        study(folder, url, **files)
        found = tune("measure", "study.yaml", "--requests", "12", "--out", "o", cwd=folder)
        assert found.returncode == 3, found.stderr  # too few to prove a p99
    return [messages for messages in seen if not messages[-1]["content"].startswith("ok ")]


def test_prompts_reach_the_server_as_they_are_written(tmp_path: Path) -> None:
    """Braces of JSON, of code and of formulas, doubled or not, are text without slots."""
    texts = [
        'Reply with {"id": 1, "ok": true} only.', 'Reply with {{"id": 1}} only.', "say {day}",
             "Fix: function f(){ return x; }", "Expand \\frac{a}{b} for me", "emoji 😀 } {",
    ]  # fmt: skip
    lines = "\r\n".join(json.dumps({"template": text}) for text in texts)
    seen = sent(tmp_path, prompts=f"\ufeff{lines}", system="\ufeffYou are terse.\r\n")

    assert {messages[-1]["content"] for messages in seen} == set(texts)
    assert {messages[0]["content"] for messages in seen} == {"You are terse."}


def test_slots_reach_the_server_as_they_are_written(tmp_path: Path) -> None:
    """Countries, times, numbers with zeros and doubled braces beside a slot."""
    prompts = '{"template": "Weather in {cc} at {t} for {id} v{v}?"}\n{"template": "{cc}: {{}}"}'
    slots = "cc: [NO]\nt: [9:30]\nid: [007]\nv: [1.10]"
    seen = sent(tmp_path, prompts=prompts, slots=slots)

    assert {messages[-1]["content"] for messages in seen} == {
        "Weather in NO at 9:30 for 007 v1.10?", "NO: {{}}",
    }  # fmt: skip


def test_a_check_names_braces_that_may_be_meant_otherwise(tmp_path: Path) -> None:
    """A forgotten slots file and a doubling that nothing needs are warnings."""
    study(tmp_path, prompts='{"template": "on {day} and \\\\frac{a}{b}"}')
    forgotten = tune("study", "check", "study.yaml", cwd=tmp_path)
    study(tmp_path, prompts='{"template": "{day}: {{}}"}', slots="day: [monday]")
    doubled = tune("study", "check", "study.yaml", cwd=tmp_path)

    assert forgotten.returncode == doubled.returncode == 0
    assert "warning: {day} in the prompts: sent as written" in forgotten.stderr
    assert "warning: doubled braces in prompts with slots" in doubled.stderr


def test_a_range_of_whole_numbers_does_not_end_a_run(tmp_path: Path) -> None:
    """4 to 64 gives whole numbers to a knob of whole numbers, and the run comes to its end."""
    content = {
        "version": 1, "name": "s", "engine": {"kind": "fake", "model": FAST},
        "workload": {"prompts": "prompts.jsonl"}, "slo": [{"metric": "e2e", "max_ms": 2}],
        "space": {"num_batch": {"low": 4, "high": 64}, "top_k": {"low": 1, "high": 9}},
        "search": {"budget": "9s"},
    }  # fmt: skip
    study(tmp_path, study=yaml.safe_dump(content))
    found = tune("run", "study.yaml", "--out", "o", cwd=tmp_path)

    assert found.returncode == 3, found.stderr
    tried = [json.loads(p.read_text()) for p in (tmp_path / "o").glob("trials/*/candidate.json")]
    assert len({c["num_batch"] for c in tried}) > 2
    assert all(isinstance(c[name], int) for c in tried for name in ("num_batch", "top_k"))
