"""What a server says in place of an answer, in one line."""

from __future__ import annotations

import http.client
import json
import re
from typing import Any

from tuner.load.issue import Reply
from tuner.load.wire import Exchange

_MOST_CHARACTERS = 200
_DEEPEST = 6
_WORDS_AT = ("error", "detail", "message", "msg")
"""Where servers put their words: OpenAI's error object, FastAPI, vLLM, pydantic."""

_PAGE = re.compile(r"\s*<(!doctype html|html)\b", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_EVENT = re.compile(rb"^(\xef\xbb\xbf)?data:", re.MULTILINE)


def unanswered(exchange: Exchange) -> Reply | None:
    """Return the reply of an exchange that brought no 200, None where it brought one."""
    if exchange.outcome in ("error", "timeout") or exchange.status is None:
        outcome = "error" if exchange.outcome == "ok" else exchange.outcome
        return Reply(outcome, exchange.error or "no response")
    if exchange.status == 200:
        return None
    return Reply("error", f"HTTP {exchange.status}: {_refusal(exchange, exchange.status)}")


def not_streamed(exchange: Exchange) -> Reply | None:
    """Return the reply of a whole 200 that holds no event of a stream, None where it holds one.

    What calls itself an event stream is left to its reader.
    """
    kind = (exchange.content_type or "").partition(";")[0].strip().lower()
    if (
        exchange.outcome != "ok"
        or kind in ("", "text/event-stream")
        or _EVENT.search(exchange.body)
    ):
        return None
    document = _json(exchange.body)
    if isinstance(document, dict) and "choices" in document:
        return Reply("error", f"the answer was not streamed: {kind} came, no event stream")
    if kind == "application/json" and _words(document):
        return Reply("error", error_text(exchange.body))
    return Reply("error", f"{kind} came, no event stream: {error_text(exchange.body)}")


def error_text(body: bytes) -> str:
    """Return what a body says: the words of its JSON, the title of a page, or its text."""
    text = body.decode(errors="replace")
    if _PAGE.match(text):
        title = _TITLE.search(text)
        return _line(f'a web page, "{title[1].strip()}"' if title else "a web page")
    return _line(_words(_json(body)) or text)


def _refusal(exchange: Exchange, status: int) -> str:
    """Return where a redirect leads, else what the body says, else what the status means."""
    if 300 <= status < 400 and exchange.location:
        return f"redirected to {_line(exchange.location)}"
    return error_text(exchange.body) or http.client.responses.get(status, "an empty answer")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _words(document: Any) -> str | None:
    """Return the text in a JSON document that says what is wrong, None where none is found."""
    for _ in range(_DEEPEST):
        if isinstance(document, list) and document:
            document = document[0]
        elif isinstance(document, dict):
            loc = document.get("loc")
            place = ".".join(map(str, loc)) if isinstance(loc, list) else ""
            document = next((document[key] for key in _WORDS_AT if document.get(key)), None)
            if place and isinstance(document, str):
                return f"{place}: {document}"
    return document if isinstance(document, str) else None


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}..."
