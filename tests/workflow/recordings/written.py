"""Recordings of each format, as the programs write them, from the same few chats."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Turns = Sequence[tuple[str, str]]

FIRST: Turns = (("system", "Be brief."), ("user", "Name a colour"))
SECOND: Turns = (*FIRST, ("assistant", "Red"), ("user", "And another one"))
THIRD: Turns = (("user", "Count to three"),)
CHATS = (FIRST, SECOND, THIRD)

BEGIN_S = 1_900_000_000
TOKENS = 7


def messages(turns: Turns) -> list[dict[str, str]]:
    """Return turns as the APIs have them."""
    return [{"role": role, "content": content} for role, content in turns]


def body(turns: Turns, **beside: Any) -> dict[str, Any]:
    """Return the body of a chat request."""
    return {"model": "m", "messages": messages(turns), **beside}


def completion(at_s: int) -> dict[str, Any]:
    """Return an answer of the chat-completions API."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "Blue"}}
    return {"created": at_s, "choices": [choice], "usage": {"completion_tokens": TOKENS}}


def lines(path: Path, objects: Sequence[Any]) -> Path:
    """Write objects as JSON lines."""
    path.write_text("".join(json.dumps(one) + "\n" for one in objects), encoding="utf-8")
    return path


def chat(folder: Path, bodies: Sequence[Mapping[str, Any]]) -> Path:
    """Write requests with their answers, a minute apart."""
    told = [{"request": b, "response": completion(BEGIN_S + 60 * n)} for n, b in enumerate(bodies)]
    return lines(folder / "chat.jsonl", told)


def batch(folder: Path, bodies: Sequence[Mapping[str, Any]]) -> Path:
    """Write the input of a batch."""
    told = [
        {"custom_id": f"r-{n}", "method": "POST", "url": "/v1/chat/completions", "body": b}
        for n, b in enumerate(bodies)
    ]
    return lines(folder / "batch.jsonl", told)


def batch_output(folder: Path, count: int) -> Path:
    """Write the output of a batch."""
    told = [
        {
            "id": f"batch_req_{n}", "custom_id": f"r-{n}", "error": None,
            "response": {"status_code": 200, "request_id": "x", "body": completion(BEGIN_S + n)},
        }
        for n in range(count)
    ]  # fmt: skip
    return lines(folder / "output.jsonl", told)


def folder_of_bodies(
    folder: Path, bodies: Sequence[Mapping[str, Any]], route: str = "api_chat"
) -> Path:
    """Write the folder of OLLAMA_DEBUG_LOG_REQUESTS, curl commands included."""
    path = folder / "ollama-request-logs-1234"
    path.mkdir(exist_ok=True)
    for n, one in enumerate(bodies, start=1):
        name = f"20300102T0304{n:02d}.123456789Z-{n:06d}_{route}"
        (path / f"{name}_body.json").write_text(json.dumps(one))
        (path / f"{name}_request.sh").write_text(f"#!/bin/sh\ncurl --data-binary @{name}\n")
    return path


def payload(one: Mapping[str, Any], at_s: float, **changes: Any) -> dict[str, Any]:
    """Return LiteLLM's StandardLoggingPayload of a request."""
    beside = {k: v for k, v in one.items() if k not in ("model", "messages")}
    return {
        "id": "chatcmpl-1", "trace_id": f"t-{at_s}", "call_type": "acompletion",
        "status": "success", "startTime": at_s, "endTime": at_s + 1, "completion_tokens": TOKENS,
        "model": "m", "metadata": {"user_api_key_user_id": "u-9"}, "messages": one["messages"],
        "response": {"choices": []}, "model_parameters": beside, **changes,
    }  # fmt: skip


def payloads(folder: Path, bodies: Sequence[Mapping[str, Any]]) -> Path:
    """Write payloads of LiteLLM, one a line."""
    return lines(
        folder / "litellm.jsonl", [payload(b, BEGIN_S + 60.0 * n) for n, b in enumerate(bodies)]
    )


def log_line(n: int, text: str, level: str = "DEBUG") -> str:
    """Return a line as vLLM writes it."""
    return f"(APIServer pid=7) {level} 12-31 23:{n:02d}:00 [utils/request_logger.py:73] {text}\n"


def server_log(folder: Path, bodies: Sequence[Mapping[str, Any]]) -> Path:
    """Write a log of vLLM at DEBUG."""
    path = folder / "vllm.log"
    text = log_line(0, "Starting vLLM API server", "INFO")
    for n, one in enumerate(bodies):
        text += log_line(n, f"Request 0f{n} JSON body: {json.dumps(one)}")
        text += log_line(n, f"Request chatcmpl-0f{n} details: prompt: '<s>x'")
        text += log_line(n, f"Received request chatcmpl-0f{n}: params: SamplingParams(n=1)", "INFO")
    path.write_text(text)
    return path


WRITERS: Mapping[str, Callable[[Path, Sequence[Mapping[str, Any]]], Path]] = {
    "chat": chat,
    "openai-batch": batch,
    "ollama-requests": folder_of_bodies,
    "litellm": payloads,
    "vllm-log": server_log,
}
