"""A candidate as the files that put it into service.

A Modelfile holds what Ollama keeps with a model; the server's environment and what only a
client can send stand in files beside it. Only settings of the candidate are written, and all
of them: a derived model would otherwise inherit what its base says.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.modelfile.chat_template import derive, go_template
from tuner.modelfile.document import Modelfile, write
from tuner.modelfile.parameters import KINDS, written
from tuner.spec.templates import fill
from tuner.spec.values import (
    LEFT_TO_ENGINE,
    Candidate,
    Knob,
    Message,
    Model,
    Setting,
    start_prefix,
    variable_of,
)

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
    measured_under_ollama: bool = False


@dataclass(frozen=True, slots=True)
class Serving:
    """What the prompt knobs stand for: texts, fixed shots, rules for dynamic ones, format.

    `response_format` is None, "json" or a JSON Schema: Ollama's `format`.
    """

    system: str | None = None
    shots: tuple[Message, ...] = ()
    dynamic_shots: Mapping[str, Any] | None = None
    response_format: Mapping[str, Any] | str | None = None


def artifacts(
    candidate: Candidate,
    knobs: Mapping[str, Knob],
    model: Model,
    serving: Serving,
    evidence: Evidence,
) -> dict[str, str]:
    """Return file name -> text; a file with nothing to say is left out.

    Raises InputError for texts that a Modelfile cannot hold.
    """
    client = client_settings(serving) | _client_knobs(candidate, knobs)
    if client and evidence.measured_under_ollama:
        client["truncate"] = False
    environment = _environment(candidate, knobs)
    beside = [
        name for name, there in (("client.json", client), ("ollama.env", environment)) if there
    ]
    remark = "" if evidence.measured_under_ollama else "; not measured under Ollama"
    header = evidence_header(evidence, beside, remark)
    files = {"Modelfile": write(_modelfile(candidate, knobs, model, serving, header))}
    if environment:
        start = start_prefix(candidate.get("cpu_scheduling", "other"))
        files["ollama.env"] = _environment_file(environment, start, header)
    if client:
        document = {"schema": CLIENT_SCHEMA, **client}
        files["client.json"] = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return files


def _client_knobs(candidate: Candidate, knobs: Mapping[str, Knob]) -> dict[str, Setting]:
    """Return the engine's knobs that only a request can set, less those left to it."""
    names = (n for n, knob in knobs.items() if knob.where == "client")
    return {n: candidate[n] for n in names if candidate.get(n, "auto") not in LEFT_TO_ENGINE}


def _modelfile(
    candidate: Candidate,
    knobs: Mapping[str, Knob],
    model: Model,
    serving: Serving,
    header: tuple[str, ...],
) -> Modelfile:
    template, remark = _template(model)
    settings = (
        (name, written(name, candidate[name]))
        for name, knob in knobs.items()
        if knob.where == "modelfile"
        and name in KINDS
        and candidate.get(name, "auto") not in LEFT_TO_ENGINE
    )
    return Modelfile(
        base=str(candidate.get("model", model.source)),
        layers=tuple(map(str, model.parts)),
        template=template,
        system=serving.system,
        parameters=tuple(settings),
        messages=serving.shots,
        header=(*header, *remark),
    )


def _template(model: Model) -> tuple[str | None, tuple[str, ...]]:
    """Return Ollama's TEMPLATE for the model's own chat template, or why there is none."""
    if model.chat_template is None:
        return None, ()
    fmt = derive(model.chat_template, model.bos_token, model.eos_token)
    if fmt is None:
        return None, (
            "No TEMPLATE: the model's chat template cannot be said in Ollama's language word by",
            "word, so the prompt is the one that Ollama detects, not the one measured.",
        )
    return go_template(fmt), ()


def evidence_header(evidence: Evidence, beside: Sequence[str], remark: str = "") -> tuple[str, ...]:
    """Return what the candidate was proven on, and in `remark` what was not measured."""
    together = f" with {' and '.join(beside)}" if beside else ""
    proven = "proven" if evidence.verdict == "PASS" else "measured"
    first = f"{proven} on {evidence.engine}, {evidence.load}{together}"
    warning = () if evidence.verdict == "PASS" else (evidence.verdict,)
    return ("Written by modelfile-tuner.", *warning, first + remark, *evidence.lines)


def _environment(candidate: Candidate, knobs: Mapping[str, Knob]) -> dict[str, str]:
    return dict(
        variable_of(name, candidate[name])
        for name, knob in knobs.items()
        if knob.where == "environment" and name in candidate
    )


def _environment_file(
    environment: Mapping[str, str], start: tuple[str, ...], header: tuple[str, ...]
) -> str:
    """Return lines that systemd's EnvironmentFile and docker's --env-file both read."""
    settings = [(name, value) for name, value in environment.items() if value]
    automatic = (name for name, value in environment.items() if not value)
    remarks = [f"{name} is left as it is (auto), as it was measured" for name in automatic]
    if start:
        remarks.append(f"it was measured as: {' '.join(start)} ollama serve")
    return fill("ollama.env.j2", {"header": header, "remarks": remarks, "settings": settings})


def client_settings(serving: Serving) -> dict[str, Any]:
    """Return what only the client can send; {} when that is nothing."""
    found: dict[str, Any] = {}
    if serving.response_format is not None:
        found["format"] = serving.response_format
    if serving.dynamic_shots is not None:
        found["dynamic_shots"] = dict(serving.dynamic_shots)
    return found
