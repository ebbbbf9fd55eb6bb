"""Why a vLLM server did not start, from its log: a type, one sentence, the next step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.engines.vllm.starting.failure_kinds import KINDS, RULES, Kind
from tuner.engines.vllm.starting.log_lines import SERVING, Line, Raised, raised, read_lines
from tuner.spec.errors import StartReason

LONGEST_CAUSE = 300

_CASCADE = re.compile(
    r"WorkerProc initialization failed|Engine core initialization failed"
    r"|Frontend process failed|Worker failed with error|^EngineCore encountered an issue"
)
_WRAPPED = re.compile(r"Worker failed with error '(.*)', please check", re.DOTALL)
_PYDANTIC = re.compile(r"(?:Value error|Assertion failed), (.*?)(?= \[type=|\Z)", re.DOTALL)
_FIELD = re.compile(
    r"^([\w.]+)\S*\n\s+(Input should .*?) \[type=\w+, input_value=(.*?), input_type=", re.MULTILINE
)
_LONGEST = re.compile(r"estimated maximum model length is (\d+)")
_DERIVED = re.compile(r"derived max_model_len \(\w+=(\d+)(?:\.\d+)? or model_max_length=(\d+|None)")

_SENTENCE = re.compile(r"(.{20,}?)\. (?=[A-Z])")

_STAGES = (
    (re.compile("Starting to load model"), "loading_memory"),
    (re.compile("Model loading took|Loading weights took"), "profiling_memory"),
    (re.compile("Available KV cache memory|GiB for KV cache|KV cache size:"), "cache_memory"),
    (re.compile("Capturing CUDA graphs"), "graph_memory"),
)
"""What a log says as a stage begins, and what running out of memory in it is called."""

_SETTINGS = ("ValidationError", "ValueError", "NotImplementedError", "AssertionError")
"""Exceptions by which settings are refused; others with such words are crashes."""


@dataclass(frozen=True, slots=True)
class StartFailure:
    """Why a server did not start.

    `longest` is the greatest max_model_len that would do, where the log says so: by the room in the
    cache, or by the model.
    """

    kind: Kind
    cause: str
    longest: int | None = None

    @property
    def reason(self) -> StartReason:
        """Return how other rooms sort it."""
        return self.kind.reason

    @property
    def message(self) -> str:
        """Return one sentence: what it means, the log's own words, the next step."""
        step = self.kind.next_step
        if self.longest is not None:
            step = f"take a max_model_len of at most {self.longest}"
        cause = f": {self.cause}" if self.cause else ""
        return f"{self.kind.means}{cause}; {step}"


def read_failure(log: str, exit_code: int | None = None) -> StartFailure | None:
    """Return why a start failed from its whole log; None where the log shows no failure.

    The first of several processes to fail says why, so the end of a log does not suffice.
    `exit_code` is the server's, negative for a signal, None where it is not known.
    """
    lines = read_lines(log)
    if any(line.text.endswith(SERVING) for line in lines):
        return None
    told = [_unwrapped(r) for r in raised(lines)]
    causes = [r for r in told if not _CASCADE.search(r.message)]
    for name, pattern in RULES:
        for found in causes:
            if name == "bad_setting" and found.kind not in _SETTINGS:
                continue
            if pattern.search(found.message):
                return _failure(name, found, lines)
    if exit_code == -9 or any("': -9" in r.message for r in told):
        return StartFailure(KINDS["killed"], "")
    if causes or told:
        last = (causes or told)[-1]
        return StartFailure(KINDS["crashed"], _shown(f"{last.kind}: {last.message}"))
    return StartFailure(KINDS["crashed"], "") if exit_code else None


def _unwrapped(found: Raised) -> Raised:
    inner = _WRAPPED.search(found.message)
    return Raised(found.kind, inner[1]) if inner else found


def _failure(name: str, found: Raised, lines: Sequence[Line]) -> StartFailure:
    if name == "memory":
        name = _stage(lines)
    return StartFailure(KINDS[name], _cause(found.message), _longest(found.message))


def _stage(lines: Sequence[Line]) -> str:
    """Return what running out of memory is called after the stage that had begun last."""
    memory = dict(RULES)["memory"]
    name = "memory"
    for line in lines:
        name = next((stage for begins, stage in _STAGES if begins.search(line.text)), name)
        if memory.search(line.text):
            break
    return name


def _longest(message: str) -> int | None:
    if found := _LONGEST.search(message):
        return int(found[1])
    if found := _DERIVED.search(message):
        return max(int(n) for n in found.groups() if n.isdigit())
    return None


def _cause(message: str) -> str:
    """Return the words of a log that tell the cause, without pydantic's frame."""
    if found := _PYDANTIC.search(message):
        return _shown(found[1])
    if found := _FIELD.search(message):
        return _shown(f"{found[1]}: {found[2]}, found {found[3]}")
    return _shown(message)


def _shown(text: str) -> str:
    """Return the first sentence of a text on one line, of bearable length."""
    line = " ".join(text.split()).rstrip(".")
    if first := _SENTENCE.match(line):
        line = first[1]
    return line if len(line) <= LONGEST_CAUSE else line[: LONGEST_CAUSE - 4].rstrip() + " ..."
