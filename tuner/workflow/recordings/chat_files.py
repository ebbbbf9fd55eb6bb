"""Read files of the chat-completions API: its requests one a line, and those of its batches.

Sources: OpenAI's API reference, spec 2.3.0 (CreateChatCompletionRequest, BatchRequestInput,
BatchRequestOutput). A line of requests is a body, or an object with `request` and `response`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuner.spec.errors import InputError
from tuner.workflow.recordings.answers import created, instant, seconds, tokens_of
from tuner.workflow.recordings.body import chat_of
from tuner.workflow.recordings.records import Record, an_object, each
from tuner.workflow.recordings.told import Broken, Chat, NoPlace, Told

CHAT_URL = "/v1/chat/completions"

_OURS = {"request", "response", "at", "at_s", "at_ms"}
"""Fields of a line that are not the body's."""


def told_requests(path: Path, answers: Path | None) -> Iterator[Told | Broken]:
    """Yield the requests of a file with a body on each line."""
    return each(path, _told_request)


def chat_of_line(line: Mapping[str, Any]) -> Chat:
    """Return the chat of a line; turns of the assistant at its end are the answer."""
    if isinstance(line.get("request"), dict):
        return chat_of(line["request"], answered=True)
    return chat_of({k: v for k, v in line.items() if k not in _OURS}, answered=True)


def _told_request(found: Record) -> Told:
    line = an_object(found.value)
    answer = line.get("response")
    at_s = seconds(line.get("at_s"))
    if at_s is None and (milliseconds := seconds(line.get("at_ms"))) is not None:
        at_s = milliseconds / 1000
    if at_s is None:
        at_s = instant(line.get("at"))
    if at_s is None:
        at_s = created(answer)
    return Told(found.name, found.place, line, at_s, tokens_of(answer))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a batch's output tells of one request."""

    tokens: int | None
    at_s: float | None


def told_batch(path: Path, answers: Path | None) -> Iterator[Told | Broken]:
    """Yield the requests of a batch's input, with what its output tells where it is given."""
    known: dict[str, _Answer] = {}
    for one in [] if answers is None else each(answers, _told_answer):
        if isinstance(one, Told):
            known[one.name] = _Answer(one.answer_tokens, one.at_s)
        else:
            yield one
    yield from each(path, lambda found: _told_batched(found, known))


def chat_of_batched(line: Mapping[str, Any]) -> Chat:
    """Return the chat of a line of a batch; raise NoPlace for another endpoint."""
    if line.get("url") != CHAT_URL:
        raise NoPlace(f"goes to another endpoint than {CHAT_URL}")
    return chat_of(line.get("body"))


def _told_batched(found: Record, known: Mapping[str, _Answer]) -> Told:
    line = an_object(found.value)
    for key in ("custom_id", "url"):
        if not isinstance(line.get(key), str):
            raise InputError(f"{key}: expected text, as in every line of a batch's input")
    answer = known.get(line["custom_id"], _Answer(None, None))
    return Told(found.name, found.place, line, answer.at_s, answer.tokens)


def _told_answer(found: Record) -> Told:
    """Return what a line of a batch's output tells; its name is the custom_id."""
    line = an_object(found.value)
    if not isinstance(line.get("custom_id"), str):
        raise InputError("custom_id: expected text, as in every line of a batch's output")
    response = line.get("response")
    body = response.get("body") if isinstance(response, dict) else None
    return Told(line["custom_id"], found.place, {}, created(body), tokens_of(body))
