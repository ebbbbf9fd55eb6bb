"""The prompt knobs: how a candidate's system text, shots and format shape a request.

Shots are chosen from the request text alone; neither a prompt's kind nor what is expected
of its answer is in reach here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tuner.spec.knobs import Knob, by_name
from tuner.spec.requests.workload import Shot, Workload
from tuner.spec.values import Candidate, Message, Setting

PROMPT_KNOBS: Mapping[str, Knob] = by_name(
    Knob("system", "request", "none", unset="none", about="Which system text is sent."),
    Knob("shots", "request", 0, unset=0, about="How many example turns are sent, or `dynamic`."),
    Knob("format", "request", "none", "client", unset="none",
         about="The form that is asked for: `json`, or the `schema` of the workload."),
)  # fmt: skip


def allowed(workload: Workload) -> dict[str, tuple[Setting, ...]]:
    """Return the values that each prompt knob can take for a workload."""
    shots: tuple[Setting, ...] = tuple(range(len(workload.shots) + 1))
    if workload.rules or workload.default_shots:
        shots = (*shots, "dynamic")
    formats = ("none", "json", "schema") if workload.schema is not None else ("none", "json")
    return {"system": ("none", *workload.systems), "shots": shots, "format": formats}


def conversation(
    messages: Sequence[Message], candidate: Candidate, workload: Workload
) -> tuple[Message, ...]:
    """Return the messages as sent: system text, shots, then what the user says."""
    text = "\n".join(m.content for m in messages if m.role == "user")
    return opened(messages, chosen_shots(candidate, workload, text), candidate, workload)


def opened(
    messages: Sequence[Message], shots: Sequence[Shot], candidate: Candidate, workload: Workload
) -> tuple[Message, ...]:
    """Return the messages as sent after given shots."""
    system = system_text(candidate, workload)
    head = (Message("system", system),) if system and messages[0].role != "system" else ()
    return (*head, *turns(shots), *messages)


def client_part(candidate: Candidate, holds_prompt: bool) -> Candidate:
    """Return what clients send of a candidate: without the prompt where the model holds it."""
    if not holds_prompt:
        return dict(candidate)
    dynamic = candidate.get("shots") == "dynamic"
    return {**candidate, "system": "none", "shots": "dynamic" if dynamic else 0}


def system_text(candidate: Candidate, workload: Workload) -> str | None:
    """Return the system text that the candidate stands for."""
    return workload.systems.get(str(candidate.get("system", "none")))


def chosen_shots(candidate: Candidate, workload: Workload, text: str) -> tuple[Shot, ...]:
    """Return the shots for a request text: the first so many, or by the first rule that fits."""
    wanted = candidate.get("shots", 0)
    if wanted != "dynamic":
        return workload.shots[: int(wanted)]
    rule = next((r for r in workload.rules if re.search(r.match, text, re.IGNORECASE)), None)
    return _named(rule.shots if rule else workload.default_shots, workload)


def openings(candidate: Candidate, workload: Workload) -> tuple[tuple[Shot, ...], ...]:
    """Return each choice of shots that a candidate can make: one, or what its rules name."""
    if candidate.get("shots", 0) != "dynamic":
        return (chosen_shots(candidate, workload, ""),)
    choices = workload.default_shots, *(rule.shots for rule in workload.rules)
    return tuple(_named(names, workload) for names in dict.fromkeys(choices))


def _named(names: Sequence[str], workload: Workload) -> tuple[Shot, ...]:
    by_id = {s.id: s for s in workload.shots}
    return tuple(by_id[name] for name in names)


def turns(shots: Sequence[Shot]) -> tuple[Message, ...]:
    """Return shots as alternating user and assistant messages."""
    pairs = ((Message("user", s.user), Message("assistant", s.assistant)) for s in shots)
    return tuple(message for pair in pairs for message in pair)


def response_format(candidate: Candidate, workload: Workload) -> Any:
    """Return None, "json", or the workload's schema."""
    wanted = candidate.get("format", "none")
    return workload.schema if wanted == "schema" else "json" if wanted == "json" else None
