"""What the files that put a candidate into service are made from, whatever engine serves it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.spec.values import Candidate, Message

if TYPE_CHECKING:
    from tuner.engines.base import Engine
    from tuner.spec.study import Study

CLIENT = "client.json"
CLIENT_SCHEMA = "tuner.client/1"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a candidate was proven on: it stands in the header of each file.

    `verdict` is PASS, or words that say what is not proven; `lines` are measured facts.
    """

    engine: str
    load: str
    verdict: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Serving:
    """What the prompt knobs stand for: texts, fixed shots, rules for dynamic ones, format.

    `response_format` is None, "json" or a JSON Schema: Ollama's `format`.
    """

    system: str | None = None
    shots: tuple[Message, ...] = ()
    dynamic_shots: Mapping[str, Any] | None = None
    response_format: Mapping[str, Any] | str | None = None


@dataclass(frozen=True, slots=True)
class ServedCandidate:
    """A candidate that is to be written as files.

    With the engine and the study that it was served by, what its prompt knobs stand for, and what
    it was proven on.
    """

    study: Study
    engine: Engine
    candidate: Candidate
    serving: Serving
    evidence: Evidence


def evidence_header(evidence: Evidence, beside: Sequence[str], remark: str = "") -> tuple[str, ...]:
    """Return what the candidate was proven on, and in `remark` what was not measured.

    Each is one line, for the comments of any file.
    """
    together = f" with {' and '.join(beside)}" if beside else ""
    proven = "proven" if evidence.verdict == "PASS" else "measured"
    first = f"{proven} on {evidence.engine}, {evidence.load}{together}"
    warning = () if evidence.verdict == "PASS" else (evidence.verdict,)
    told = ("Written by modelfile-tuner.", *warning, first + remark, *evidence.lines)
    return tuple(map(one_line, told))


def one_line(text: str) -> str:
    """Return a text that a comment of any file can hold.

    A line break would end it, and YAML forbids what cannot be printed. Before version 254 systemd
    takes the line after a comment that ends with a backslash as part of it.
    """
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split()).rstrip("\\ ")


def client_settings(serving: Serving) -> dict[str, Any]:
    """Return what only the client can send; {} when that is nothing."""
    found: dict[str, Any] = {}
    if serving.response_format is not None:
        found["format"] = serving.response_format
    if serving.dynamic_shots is not None:
        found["dynamic_shots"] = dict(serving.dynamic_shots)
    return found


def client_file(settings: Mapping[str, Any]) -> str:
    """Return the text of `client.json`, with the name of its format."""
    return json.dumps({"schema": CLIENT_SCHEMA, **settings}, indent=2, ensure_ascii=False) + "\n"
