"""Ask a server for the tokens of a text, where it tells them: POST /tokenize.

One body is for both servers that have it: llama.cpp reads `content` (tools/server/README.md), vLLM
`prompt` and `model` (entrypoints/serve/tokenize/protocol.py); what they do not know they ignore.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tuner.engines.serving.chat import CHAT_PATH
from tuner.load.wire import Exchange, Request


@dataclass(frozen=True, slots=True)
class Tokenized:
    """How many tokens a text is, and the server's context in tokens, None where it is not told."""

    count: int
    context: int | None = None


def tokenize_request(chat: Request, text: str) -> Request | None:
    """Return the request beside a chat request, with its headers, None for another API."""
    path, mark, query = chat.path.partition("?")
    if not path.endswith(CHAT_PATH):
        return None
    model = json.loads(chat.body).get("model")
    body = {
        "content": text, "prompt": text, "add_special": False, "add_special_tokens": False,
        **({"model": model} if model else {}),
    }  # fmt: skip
    beside = path.removesuffix(CHAT_PATH) + "/tokenize" + mark + query
    return replace(chat, path=beside, body=json.dumps(body).encode(), is_last=None)


def tokenized(exchange: Exchange) -> Tokenized | None:
    """Return what the server said, None where that is no list of tokens."""
    if exchange.outcome != "ok" or exchange.status != 200:
        return None
    try:
        found = json.loads(exchange.body)
    except (ValueError, RecursionError):
        return None
    tokens = found.get("tokens") if isinstance(found, Mapping) else None
    if not isinstance(tokens, list):
        return None
    return Tokenized(len(tokens), _whole(found.get("max_model_len")))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
