"""The text of a first study: what is in service as the baseline, and a space around it.

A pure function of what is known about the model, its Modelfile and the machine.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from tuner.engines.first_study import Line, Machine, Origin
from tuner.engines.registry import kind_by_name
from tuner.modelfile.document import Modelfile
from tuner.spec.templates import fill
from tuner.spec.values import Message

PROMPTS = "prompts.jsonl"
SYSTEM = "system.txt"
SHOTS = "shots.jsonl"

_EXAMPLES: tuple[dict[str, Any], ...] = (
    {"template": "Explain in one sentence why the sky is blue.", "kind": "short", "weight": 2},
    {
        "messages": [
            {"role": "user", "content": "Name a city in Italy."},
            {"role": "assistant", "content": "Florence."},
            {"role": "user", "content": "What should I see there first?"},
        ],
        "kind": "follow-up",
    },
    {"template": "List three ways to sleep better.", "kind": "list", "held_out": True},
)


@dataclass(frozen=True, slots=True)
class Starter:
    """A study's text and the texts of the files beside it; `notes` are for the user at once."""

    study: str
    files: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def starter(origin: Origin, machine: Machine, file: str) -> Starter:
    """Return a commented study, which will be called `file`, and the files that it names.

    Raises InputError for a PARAMETER that no engine could run with.
    """
    kind = kind_by_name(origin.engine)
    draft = kind.draft(origin, machine)
    source = origin.modelfile or Modelfile(origin.model)
    # what a model says in MESSAGE itself goes before each request: shots would come on top
    shots = [] if origin.inherits else _shots(source.messages)
    system = (source.system or "").strip()
    section = {"kind": origin.engine, "model": origin.model, **draft.section}
    study = fill(
        "study.yaml.j2",
        {
            "label": _inline(origin.label),
            "file": _inline(file),
            "name": _scalar(_name(origin.stem)),
            "draft": draft,
            "engine": _flow(section | ({"url": origin.url} if origin.url else {})),
            "system": system,
            "shots": len(shots),
            "own_prompts": bool(_texts(source.messages)),
            "baseline": _texts_of(draft.baseline),
            "left_out": [] if origin.inherits else [*draft.left_out, *_left_out(source)],
            "space": _texts_of(draft.space),
            "paid": kind.one_start,
        },
    )
    files = {PROMPTS: _lines(_prompts(source.messages))}
    files |= {SYSTEM: system + "\n"} if system else {}
    files |= {SHOTS: _lines(shots)} if shots else {}
    return Starter(study, files, draft.notes)


# what is sent
def _shots(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Return each question of the Modelfile that is followed by its answer."""
    pairs = [
        (asked.content, answered.content)
        for asked, answered in itertools.pairwise(messages)
        if (asked.role, answered.role) == ("user", "assistant")
        and asked.content.strip()
        and answered.content.strip()
    ]
    return [
        {"id": f"message-{number}", "user": user, "assistant": assistant}
        for number, (user, assistant) in enumerate(pairs, start=1)
    ]


def _texts(messages: Sequence[Message]) -> list[str]:
    """Return what users say in the Modelfile, once each."""
    asked = (m.content for m in messages if m.role == "user" and m.content.strip())
    return list(dict.fromkeys(asked))


def _prompts(messages: Sequence[Message]) -> list[dict[str, Any]]:
    own: list[dict[str, Any]] = [{"template": text, "kind": "own"} for text in _texts(messages)]
    return own or list(_EXAMPLES)


def _lines(objects: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects)


# words
def _left_out(source: Modelfile) -> list[str]:
    """Name what the Modelfile holds, beside PARAMETER and TEMPLATE, and a study does not."""
    found = ["LICENSE"] if source.licenses else []
    if any(m.role == "system" for m in source.messages):
        found.append("MESSAGE system: only SYSTEM becomes a system text")
    answered, turns = 2 * len(_shots(source.messages)), len(source.messages)
    if answered < turns:
        found.append(f"{turns - answered} MESSAGE lines that are no question with its answer")
    more = {"further FROM lines": source.layers, "DRAFT": source.drafts}
    return [*found, *(name for name, lines in more.items() if lines)]


def _texts_of(knobs: Mapping[str, Line]) -> dict[str, Line]:
    """Return the lines of knobs with their values as YAML."""
    return {name: replace(line, value=_scalar(line.value)) for name, line in knobs.items()}


def _name(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._") or "study"


def _flow(value: Any) -> str:
    """Return a value as YAML on one line."""
    text: str = yaml.safe_dump(
        value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return text.strip()


def _scalar(value: Any) -> str:
    return _flow([value])[1:-1]


def _inline(text: str) -> str:
    """Return text that can stand in a comment."""
    return text if text.isprintable() else json.dumps(text)[1:-1]
