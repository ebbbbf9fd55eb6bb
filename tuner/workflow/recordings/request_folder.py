"""Read the folder that Ollama writes with OLLAMA_DEBUG_LOG_REQUESTS: a body a file.

Source: Ollama 0.33, server/inference_request_log.go: in a folder ollama-request-logs-* stand
`<UTC time>-<number>_<route>_body.json`, the body as it came, and beside it `..._request.sh`, a
curl command that says nothing more. The time is when the answer was done. Answers are not logged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuner.spec.errors import InputError
from tuner.workflow.recordings.body import chat_of
from tuner.workflow.recordings.records import an_object, sorted_in, whole
from tuner.workflow.recordings.told import Broken, Chat, NoPlace, Told

_NAME = re.compile(r"(\d{8}T\d{6})\.(\d{9})Z-(\d{6,})_(\w+)_body\.json", re.ASCII)

_ROUTE = "route"
_BODY = "body"


def told_bodies(path: Path, answers: Path | None) -> Iterator[Told | Broken]:
    """Yield the bodies of a folder in the order of their names, which is that of their times."""
    if not path.is_dir():
        raise InputError(f"{path}: expected the folder that Ollama's log names, not a file")
    files = [file for file in sorted_in(path, "*_body.json") if _NAME.fullmatch(file.name)]
    for number, file in enumerate(files, start=1):
        try:
            yield _told(f"request-{number}", file)
        except InputError as wrong:
            yield Broken(str(wrong))


def chat_of_body(record: Mapping[str, Any]) -> Chat:
    """Return the chat that a body of its route asks for; raise NoPlace for other routes."""
    shape = _SHAPES.get(str(record.get(_ROUTE)))
    if shape is None:
        raise NoPlace("goes to another route than those of chats")
    body = record.get(_BODY)
    if not isinstance(body, dict):
        raise InputError("expected one object")
    return chat_of(shape(body))


def _told(name: str, file: Path) -> Told:
    found = _NAME.fullmatch(file.name)
    assert found is not None
    body = an_object(whole(file))
    try:
        at = datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise InputError(f"{file}: expected a name that begins with a time") from None
    at_s = at.timestamp() + int(found[2]) / 1e9
    return Told(name, str(file), {_ROUTE: found[4], _BODY: body}, at_s)


def _generated(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body of /api/generate or /v1/completions as messages, as Ollama makes them."""
    for key in ("raw", "template", "suffix", "context"):
        if body.get(key):
            raise NoPlace(f"has the field {key}, which no chat has")
    if body.get("images"):
        raise NoPlace("holds more than text")
    prompt = body.get("prompt")
    if not isinstance(prompt, str | None):
        raise NoPlace("asks several prompts at once")
    return {**body, "messages": _with_system(body, [{"role": "user", "content": prompt}])}


def _of_messages(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body of /v1/messages with its system text among the messages."""
    messages = body.get("messages")
    return {**body, "messages": _with_system(body, messages if isinstance(messages, list) else [])}


def _of_responses(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body of /v1/responses as messages."""
    if body.get("previous_response_id") or body.get("conversation"):
        raise NoPlace("goes on from what the server keeps")
    given = body.get("input")
    items = given if isinstance(given, list) else [{"role": "user", "content": given}]
    if any(isinstance(i, dict) and i.get("type", "message") != "message" for i in items):
        raise NoPlace("holds more than messages")
    kept = {k: v for k, v in body.items() if k not in ("input", "instructions")}
    return {**kept, "messages": _with_system({"system": body.get("instructions")}, items)}


def _with_system(body: Mapping[str, Any], messages: list[Any]) -> list[Any]:
    system = body.get("system")
    return [{"role": "system", "content": system}, *messages] if system else messages


_SHAPES: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "api_chat": dict,
    "api_generate": _generated,
    "v1_chat_completions": dict,
    "v1_completions": _generated,
    "v1_messages": _of_messages,
    "v1_responses": _of_responses,
}
