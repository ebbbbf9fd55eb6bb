"""A candidate as the files that put it into service.

A Modelfile holds what Ollama keeps with a model; the server's environment and what only a
client can send stand in files beside it. Only settings of the candidate are written, and all
of them: a derived model would otherwise inherit what its base says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from tuner.engines.artifacts import (
    CLIENT,
    Evidence,
    Serving,
    client_file,
    client_settings,
    evidence_header,
)
from tuner.engines.kind import Contents
from tuner.engines.ollama.environment import environment, started_by
from tuner.modelfile.chat_template import derive, go_template
from tuner.modelfile.document import Modelfile, line_of, write
from tuner.modelfile.parameters import KINDS, written
from tuner.spec.knobs import LEFT_TO_ENGINE, Knob
from tuner.spec.templates import fill
from tuner.spec.values import Candidate, Model, Setting

CONTENTS: Mapping[str, Contents] = MappingProxyType(
    {
        "ollama.env": Contents(
            ("environment", "command"), " (the server's start, which a Modelfile cannot hold: {})"
        ),
        CLIENT: Contents(("client",), " (only the client can send it: {})"),
    }
)


def artifacts(
    candidate: Candidate,
    knobs: Mapping[str, Knob],
    model: Model,
    serving: Serving,
    evidence: Evidence,
    *,
    measured_here: bool = False,
) -> dict[str, str]:
    """Return file name -> text; a file with nothing to say is left out.

    `measured_here` tells whether Ollama served what was measured. Raises InputError for texts
    that a Modelfile cannot hold.
    """
    client = client_settings(serving) | _client_knobs(candidate, knobs)
    if client and measured_here:
        client["truncate"] = False
    variables = environment(candidate, knobs)
    beside = [name for name, there in ((CLIENT, client), ("ollama.env", variables)) if there]
    remark = "" if measured_here else "; not measured under Ollama"
    header = evidence_header(evidence, beside, remark)
    files = {"Modelfile": write(_modelfile(candidate, knobs, model, serving, header))}
    if variables:
        start = started_by(candidate, knobs)
        files["ollama.env"] = _environment_file(variables, start, header)
    if client:
        files[CLIENT] = client_file(client)
    return files


def ensure_parameters(knobs: Mapping[str, Knob], candidate: Candidate) -> None:
    """Raise InputError for a value that no PARAMETER line can hold."""
    for name, value in _parameters(candidate, knobs):
        line_of("PARAMETER", name, written(name, value))


def _parameters(candidate: Candidate, knobs: Mapping[str, Knob]) -> Iterator[tuple[str, Setting]]:
    """Yield what of a candidate a Modelfile holds, less what is left to the engine."""
    for name, knob in knobs.items():
        if knob.where == "modelfile" and name in KINDS:
            value = candidate.get(name, "auto")
            if value not in LEFT_TO_ENGINE:
                yield name, value


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
    settings = ((name, written(name, value)) for name, value in _parameters(candidate, knobs))
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


def _environment_file(
    variables: Mapping[str, str], start: tuple[str, ...], header: tuple[str, ...]
) -> str:
    """Return lines that systemd's EnvironmentFile and docker's --env-file both read."""
    settings = [(name, value) for name, value in variables.items() if value]
    automatic = (name for name, value in variables.items() if not value)
    remarks = [f"{name} is left as it is (auto), as it was measured" for name in automatic]
    if start:
        remarks.append(f"it was measured as: {' '.join(start)} ollama serve")
    return fill("variables.env.j2", {"header": header, "remarks": remarks, "settings": settings})
