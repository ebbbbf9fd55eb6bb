"""Render a candidate of a study, with what it was proven on."""

from __future__ import annotations

from dataclasses import replace

from tuner.engines.artifacts import Evidence, Serving
from tuner.engines.base import Engine
from tuner.engines.registry import kind_of
from tuner.spec.conversation import PROMPT_KNOBS, response_format, system_text, turns
from tuner.spec.knobs import Knob
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.workflow.measuring.candidates import all_knobs

UNPROVEN = "a candidate of a search; nothing is proven about it"


def rendered(
    study: Study, engine: Engine, candidate: Candidate, evidence: Evidence | None = None
) -> dict[str, str]:
    """Return the artifacts of a candidate: file name -> text."""
    evidence = evidence or Evidence(engine.name, str(study.workload.load), UNPROVEN)
    prompt = serving(study, candidate)
    return kind_of(study).artifacts(study, engine, candidate, prompt, evidence)


def placed(study: Study, engine: Engine) -> dict[str, Knob]:
    """Return each knob with the place that holds it where this engine serves."""
    by_client = kind_of(study).prompt_where == "client"  # no model of its own holds the prompt
    return {
        name: replace(knob, where="client") if by_client and name in PROMPT_KNOBS else knob
        for name, knob in all_knobs(engine).items()
    }


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
