"""The formats of recordings with texts: how each is taken apart, and what its records ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tuner.workflow.recordings import (
    chat_files,
    gateway_log,
    request_folder,
    server_log,
)
from tuner.workflow.recordings.told import Broken, Chat, Told


@dataclass(frozen=True, slots=True)
class Format:
    """A format: `told` yields its records, a second file beside it where it `has_answers`.

    `chat` returns what a record asks; it raises InputError with the field that is wrong, and
    NoPlace for a request that is not kept.
    """

    told: Callable[[Path, Path | None], Iterator[Told | Broken]]
    chat: Callable[[Mapping[str, Any]], Chat]
    has_answers: bool = False


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "chat": Format(chat_files.told_requests, chat_files.chat_of_line),
        "openai-batch": Format(chat_files.told_batch, chat_files.chat_of_batched, True),
        "ollama-requests": Format(request_folder.told_bodies, request_folder.chat_of_body),
        "litellm": Format(gateway_log.told_payloads, gateway_log.chat_of_payload),
        "vllm-log": Format(server_log.told_lines, server_log.chat_of_logged),
    }
)
