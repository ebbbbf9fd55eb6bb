"""Render a candidate of a study, with what it was proven on."""

from __future__ import annotations

from dataclasses import replace

from tuner.engines.base import Engine
from tuner.engines.openai.engine import OpenAI
from tuner.render.artifacts import Evidence, Serving, artifacts
from tuner.render.hosted import hosted_files
from tuner.render.serve import serving_files
from tuner.spec.conversation import PROMPT_KNOBS, response_format, system_text, turns
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.workflow.measuring.candidates import all_knobs

UNPROVEN = "a candidate of a search; nothing is proven about it"


def rendered(
    study: Study, engine: Engine, candidate: Candidate, evidence: Evidence | None = None
) -> dict[str, str]:
    """Return the artifacts of a candidate: file name -> text."""
    evidence = evidence or Evidence(engine.name, str(study.workload.load), UNPROVEN)
    evidence = replace(evidence, measured_under_ollama=engine.name == "ollama")
    prompt = serving(study, candidate)
    if isinstance(engine, OpenAI):
        request = engine.request((), candidate, prompt.response_format)
        return hosted_files(engine.url, request, engine.remote.headers, prompt, evidence)
    if study.server is not None and engine.name == "command":
        return serving_files(study.server, candidate, engine.model.name, prompt, evidence)
    return artifacts(candidate, engine.knobs, engine.model, prompt, evidence)


def places(engine: Engine) -> dict[str, str]:
    """Return for each knob which artifact holds it."""
    found = {name: str(knob.where) for name, knob in all_knobs(engine).items()}
    if engine.name in ("command", "openai"):  # there is no Modelfile to hold the prompt
        return {name: "client" if name in PROMPT_KNOBS else place for name, place in found.items()}
    return found


def serving(study: Study, candidate: Candidate) -> Serving:
    """Return what the prompt knobs of a candidate stand for."""
    workload = study.workload
    dynamic = candidate.get("shots") == "dynamic"
    by_id = {s.id: {"user": s.user, "assistant": s.assistant} for s in workload.shots}
    rules = {
        "rules": [{"match": r.match, "shots": list(r.shots)} for r in workload.rules],
        "default": list(workload.default_shots),
        "shots": by_id,
    }
    fixed = () if dynamic else workload.shots[: int(candidate.get("shots", 0))]
    return Serving(
        system=system_text(candidate, workload),
        shots=turns(fixed),
        dynamic_shots=rules if dynamic else None,
        response_format=response_format(candidate, workload),
    )
