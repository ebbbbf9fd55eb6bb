"""Read what LiteLLM logs: StandardLoggingPayload, one a line, in an array, or a file each.

Sources: LiteLLM's docs/proxy/logging_spec (1.80) and litellm/types/utils.py; its generic API
callback writes an array or lines (`log_format`), its callbacks to buckets one object a file. Where
`turn_off_message_logging` is set, texts are "redacted-by-litellm" (redact_messages.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuner.spec.errors import InputError
from tuner.spec.values import Message
from tuner.workflow.recordings.answers import count, instant
from tuner.workflow.recordings.body import ending_with_user, messages_of
from tuner.workflow.recordings.records import Record, an_object, each, made, sorted_in, whole
from tuner.workflow.recordings.told import Broken, Chat, NoPlace, Told

_CHATS = {"completion", "acompletion"}
_TAKEN_OUT = "redacted-by-litellm"
_CUT = "litellm_truncated"


def told_payloads(path: Path, answers: Path | None) -> Iterator[Told | Broken]:
    """Yield the payloads of a file, or of every .json below a folder."""
    if not path.is_dir():
        yield from each(path, _told)
        return
    for number, file in enumerate(sorted_in(path, "**/*.json"), start=1):
        try:
            yield made(Record(f"request-{number}", str(file), whole(file)), _told)
        except InputError as wrong:
            yield Broken(str(wrong))


def chat_of_payload(payload: Mapping[str, Any]) -> Chat:
    """Return the chat of a payload; raise NoPlace for other calls and for texts that are gone."""
    call = payload.get("call_type")
    if call is not None and call not in _CHATS:
        raise NoPlace("is no call of chat completions")
    said = payload.get("messages")
    if said in (None, "", [], {}):
        raise NoPlace("was logged without its texts")
    messages = (Message("user", said),) if isinstance(said, str) else messages_of(said)
    texts = [m.content for m in messages]
    if _TAKEN_OUT in texts:
        raise NoPlace("was logged without its texts (turn_off_message_logging)")
    if any(_CUT in text for text in texts):
        raise NoPlace("was cut by LiteLLM")
    parameters = payload.get("model_parameters")
    return ending_with_user(messages, parameters if isinstance(parameters, dict) else {})


def _told(found: Record) -> Told:
    payload = an_object(found.value)
    if "messages" not in payload or "startTime" not in payload:
        raise InputError("expected the fields messages and startTime of a StandardLoggingPayload")
    failed = payload.get("status") == "failure"
    tokens = None if failed else count(payload.get("completion_tokens"))
    return Told(found.name, found.place, payload, instant(payload["startTime"]), tokens)
