"""Read the body of a chat request: its messages, and which fields stand beside them.

Sources: OpenAI's API reference (chat completions, responses); Anthropic's (messages); Ollama
0.33, api/types.go. No sentence here repeats what it found: it may be anybody's secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tuner.spec.errors import InputError
from tuner.spec.values import Message, Role
from tuner.workflow.recordings.told import Chat, NoPlace

ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}

_TEXT_PARTS = {"text", "input_text", "output_text"}

_SENT = {"messages", "model", "stream", "stream_options", "prompt", "input", "system"}
"""Fields that are sent anew, or by the study's engine."""

BESIDE = frozenset({
    "temperature", "top_p", "top_k", "min_p", "n", "stop", "seed", "logprobs", "top_logprobs",
    "max_tokens", "max_completion_tokens", "max_output_tokens", "min_tokens", "ignore_eos",
    "tools", "tool_choice", "functions", "function_call", "parallel_tool_calls",
    "response_format", "format", "text", "structured_outputs", "prediction", "verbosity",
    "logit_bias", "presence_penalty", "frequency_penalty", "repetition_penalty",
    "reasoning", "reasoning_effort", "think", "thinking", "chat_template_kwargs", "options",
    "keep_alive", "user", "safety_identifier", "metadata", "store", "service_tier",
})  # fmt: skip
"""Fields that are named where they are left out; the name of any other may tell too much."""


def chat_of(body: Any, *, answered: bool = False) -> Chat:
    """Return what a body asks; raise InputError for what is wrong, NoPlace for what is not kept.

    With `answered` the assistant's turns at the end are the answer, not the request.
    """
    if not isinstance(body, dict):
        raise InputError("expected the body of a request, an object")
    messages = messages_of(body.get("messages"))
    if answered:
        while messages and messages[-1].role == "assistant":
            messages = messages[:-1]
    return ending_with_user(messages, body)


def ending_with_user(messages: tuple[Message, ...], body: Mapping[str, Any]) -> Chat:
    """Return the chat of messages and the fields of their body; raise NoPlace."""
    if not messages or messages[-1].role != "user":
        raise NoPlace("does not end with the user's words")
    if not messages[-1].content.strip():
        raise NoPlace("asks nothing")
    return Chat(messages, tuple(_beside(body)))


def messages_of(found: Any) -> tuple[Message, ...]:
    """Return the messages of a list; raise InputError with the field that is wrong, and NoPlace."""
    if not isinstance(found, list) or not found:
        raise InputError("messages: expected a list of messages")
    return tuple(_message(one, f"messages.{n}") for n, one in enumerate(found))


def text_of(content: Any, at: str) -> str:
    """Return the text of a content, whose parts are joined by line breaks."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InputError(f"{at}: expected text, or a list of parts")
    return "\n".join(_part(part, f"{at}.{n}") for n, part in enumerate(content))


def _message(one: Any, at: str) -> Message:
    if not isinstance(one, dict):
        raise InputError(f"{at}: expected an object with role and content")
    role = one.get("role")
    if role in ("tool", "function"):
        raise NoPlace("holds the answer of a tool")
    if not isinstance(role, str) or role not in ROLES:
        raise InputError(f"{at}.role: expected one of {', '.join(ROLES)}, tool")
    if one.get("tool_calls") or one.get("function_call"):
        raise NoPlace("holds the call of a tool")
    if one.get("images"):
        raise NoPlace("holds more than text")
    return Message(ROLES[role], text_of(one.get("content"), f"{at}.content"))


def _part(part: Any, at: str) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise InputError(f"{at}: expected a part with its type")
    if part["type"] not in _TEXT_PARTS:
        raise NoPlace("holds more than text")
    if not isinstance(part.get("text"), str):
        raise InputError(f"{at}.text: expected text")
    return str(part["text"])


def _beside(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the fields that a prompts file has no place for."""
    named = [key for key in body if key not in _SENT and body[key] is not None]
    yield from (key for key in named if key in BESIDE)
    if any(key not in BESIDE for key in named):
        yield "others"
