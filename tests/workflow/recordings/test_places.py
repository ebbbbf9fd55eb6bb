"""Requests that are whole and that no prompts file can hold: each is told with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workflow.recordings.written import CHATS, body, payload
from tuner.workflow.recordings.formats import FORMATS
from tuner.workflow.recordings.told import NoPlace


def refused(format_: str, record: dict[str, Any]) -> str:
    """Return why a record has no place among prompts."""
    with pytest.raises(NoPlace) as why:
        FORMATS[format_].chat(record)
    return str(why.value)


USER = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([*USER, {"role": "tool", "content": "4", "tool_call_id": "c"}, *USER], "of a tool"),
        ([*USER, {"role": "assistant", "content": None, "tool_calls": [{}]}, *USER], "of a tool"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "than text"),
        ([{"role": "user", "content": "Hi", "images": ["aGk="]}], "more than text"),
        ([{"role": "system", "content": "Be kind."}], "does not end with the user"),
        ([{"role": "user", "content": " "}], "asks nothing"),
    ],
)
def test_what_prompts_cannot_hold_is_told_apart(messages: list[Any], why: str) -> None:
    """It is no mistake of the file."""
    assert why in refused("chat", {"messages": messages})


@pytest.mark.parametrize(
    ("format_", "record", "why"),
    [
        ("openai-batch", {"url": "/v1/embeddings", "body": {}}, "another endpoint"),
        ("litellm", payload(body(CHATS[0]), 0.0, call_type="aembedding"), "no call of chat"),
        ("litellm", payload(body(CHATS[0]), 0.0, messages=""), "without its texts"),
        (
            "litellm",
            payload(body((("user", "redacted-by-litellm"),)), 0.0),
            "turn_off_message_logging",
        ),
        ("litellm", payload(body((("user", "a (litellm_truncated 9)"),)), 0.0), "cut by LiteLLM"),
        ("vllm-log", {"prompt": "Hi"}, "no chat request"),
        ("ollama-requests", {"route": "api_embed", "body": {}}, "another route"),
        ("ollama-requests", {"route": "api_generate", "body": {"prompt": ""}}, "asks nothing"),
        (
            "ollama-requests",
            {"route": "api_generate", "body": {"prompt": "Hi", "raw": True}},
            "the field raw",
        ),
        ("ollama-requests", {"route": "v1_completions", "body": {"prompt": ["a"]}}, "several"),
        (
            "ollama-requests",
            {"route": "v1_responses", "body": {"input": "Hi", "previous_response_id": "r"}},
            "what the server keeps",
        ),
        (
            "ollama-requests",
            {"route": "v1_responses", "body": {"input": [{"type": "function_call"}]}},
            "more than messages",
        ),
    ],
)
def test_other_requests_of_a_format_are_told_apart(
    format_: str, record: dict[str, Any], why: str
) -> None:
    """Embeddings, texts that a gateway took out, what a server keeps."""
    assert why in refused(format_, record)
