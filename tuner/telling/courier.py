"""Send messages through apprise, in a process of its own: `python -m tuner.telling.courier`.

Standard input holds a JSON list with a mapping for each target: its `url`, and its `messages` as
`tuner.telling.messages` has them. Standard output gets a line of JSON for each target that is
done: its number, its service, what became of it, and why. A reason is one of few sentences, since
what apprise logs may hold parts of a URL. Who started this process ends it when it takes too long.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import IO, Any

import apprise

from tuner.telling.incidents import address, left_out

NOT_UNDERSTOOD = "apprise does not understand its URL"
NO_CONNECTION = "no connection to the service"
REFUSED = "the service did not take the message"

_CODE = re.compile(r"\berror=(\d{3})\b")
_ASSET = apprise.AppriseAsset(app_id="modelfile-tuner", async_mode=False, storage_mode="memory")


_TARGET: ContextVar[int] = ContextVar("target")
"""Who is being told; apprise sends in threads of its own, to which it hands the context."""


class _Heard(logging.Handler):
    """Keeps what apprise logs, by the target that it is about."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: dict[int, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; the text of it never leaves this process."""
        self.lines.setdefault(_TARGET.get(-1), []).append(record.getMessage())

    def reason(self) -> str:
        """Return why a message was refused, in words that hold nothing of a URL."""
        said = "\n".join(self.lines.get(_TARGET.get(), ()))
        if code := _CODE.search(said):
            return f"the service answered {code[1]}"
        return NO_CONNECTION if "onnection error" in said else REFUSED


def _told(url: str, messages: Sequence[Mapping[str, Any]], heard: _Heard) -> dict[str, Any]:
    """Tell one target, and return what came of it."""
    found: Any = apprise.Apprise.instantiate(url, asset=_ASSET, suppress_exceptions=True)
    if found is None:
        return {"service": None, "state": "failed", "reason": NOT_UNDERSTOOD}
    told = {"service": str(found.service_name)}
    if not messages:
        return told | {"state": "understood", "reason": None}
    schemes = found.schemas()
    reasons = [left_out(schemes, message["does"]) for message in messages]
    if all(reasons):
        return told | {"state": "left_out", "reason": reasons[0]}
    for message, reason in zip(messages, reasons, strict=True):
        there = address(url, schemes, message["does"], message["key"])
        if reason is None and not _sent(there, message):
            return told | {"state": "failed", "reason": heard.reason()}
    return told | {"state": "sent", "reason": None}


def _sent(url: str, message: Mapping[str, Any]) -> bool:
    sender = apprise.Apprise(asset=_ASSET)
    sender.add(url)
    return bool(
        sender.notify(
            body=message["body"],
            title=message["title"],
            notify_type=apprise.NotifyType(message["severity"]),
            body_format=apprise.NotifyFormat.TEXT,
        )
    )


def _tell(number: int, target: Mapping[str, Any], heard: _Heard, answers: IO[str]) -> None:
    """Tell one target, and write down what came of it."""
    _TARGET.set(number)
    line = json.dumps({"target": number, **_told(target["url"], target["messages"], heard)})
    answers.write(line + "\n")
    answers.flush()


def main() -> None:
    """Tell all targets at the same time."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed is no answer
    heard = _Heard()
    logging.getLogger("apprise").addHandler(heard)
    telling = [
        threading.Thread(target=_tell, args=(number, target, heard, answers), daemon=True)
        for number, target in enumerate(json.load(sys.stdin))
    ]
    for thread in telling:
        thread.start()
    for thread in telling:
        thread.join()


if __name__ == "__main__":
    main()
