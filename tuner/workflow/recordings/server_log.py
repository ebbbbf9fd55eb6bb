"""Read vLLM's log of requests: the bodies that it writes at DEBUG with --enable-log-requests.

Source: vLLM 0.32, vllm/entrypoints/serve/utils/request_logger.py (`Request ID JSON body: ...`) and
vllm/logger.py (the prefix: a time without year and zone; with `--logging-config.formatter json` an
object a line, with `message` and `asctime`). Other lines of the log do not serve: at INFO it writes
parameters only, and `prompt:` is a text behind its chat template. No line tells how many tokens an
answer has. --max-log-len cuts bodies, so that they are broken. A chat that was sent to be tokenized
looks like one that was sent to be answered.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuner.spec.errors import InputError
from tuner.workflow.recordings.answers import instant
from tuner.workflow.recordings.body import chat_of
from tuner.workflow.recordings.records import an_object, parsed
from tuner.workflow.recordings.told import Broken, Chat, NoPlace, Told
from tuner.workflow.traces.lines import Line, lines_of

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_BODY = "JSON body"
_SAID = re.compile(rf"(?:^|\] )(?:Received request|Request) \S+(?: (?P<what>{_BODY}|details))?: ")
"""The first of its kind in a line: what follows may be a text that looks like another."""

_TIME = re.compile(r"\b(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) \[", re.ASCII)

_YEAR = 2000  # a leap year
_HALF_A_YEAR_S = 183 * 86400.0
_YEAR_S = 366 * 86400.0


def told_lines(path: Path, answers: Path | None) -> Iterator[Told | Broken]:
    """Yield the bodies of a log; raise InputError for a log of requests without any body."""
    clock, others, bodies = _Clock(), 0, 0
    for line in lines_of(path, strict=False):
        text, at_s = _unwrapped(_COLOR.sub("", line.text))
        said = _SAID.search(text)
        if said and said["what"] == _BODY:
            bodies += 1
            at_s = clock.seconds(text[: said.end()]) if at_s is None else at_s
            yield _told(line, text[said.end() :], at_s)
        elif said:
            others += 1
    if others and not bodies:
        raise InputError(
            f"{path}: {others} lines tell of requests, and none has its body: run vLLM with "
            "VLLM_LOGGING_LEVEL=DEBUG and --enable-log-requests, and without --max-log-len"
        )


def chat_of_logged(body: Mapping[str, Any]) -> Chat:
    """Return the chat of a body; raise NoPlace for that of another endpoint."""
    if "messages" not in body:
        raise NoPlace("is no chat request")
    return chat_of(body)


def _unwrapped(text: str) -> tuple[str, float | None]:
    """Return the message of a line that is an object, and its time; any other line as it is."""
    if not text.startswith("{"):
        return text, None
    with contextlib.suppress(InputError):
        found = an_object(parsed(text, "the line"))
        return str(found.get("message")), instant(str(found.get("asctime")).replace(",", "."))
    return text, None


def _told(line: Line, text: str, at_s: float | None) -> Told | Broken:
    try:
        return Told(f"line-{line.number}", line.place, an_object(parsed(text, line.place)), at_s)
    except InputError:
        why = "the JSON body is broken, or cut by --max-log-len"
        return Broken(f"{line.place}: {why}", cut_off=not line.whole)


class _Clock:
    """Reads times that have no year: what lies half a year back is of the next year."""

    def __init__(self) -> None:
        self._years, self._last = 0.0, 0.0

    def seconds(self, prefix: str) -> float | None:
        """Return the seconds of the last time in a prefix, None where there is none."""
        stamps = _TIME.findall(prefix)
        if not stamps:
            return None
        month, day, hour, minute, second = map(int, stamps[-1])
        try:
            at = datetime(_YEAR, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return None
        at_s = at.timestamp()
        if at_s + self._years < self._last - _HALF_A_YEAR_S:
            self._years += _YEAR_S
        self._last = at_s + self._years
        return self._last
