"""Render a candidate of a study, with what it was proven on."""

from __future__ import annotations

from tuner.engines.base import Engine
from tuner.render.artifacts import Evidence, Serving, artifacts
from tuner.spec.conversation import response_format, system_text, turns
from tuner.spec.study import Study
from tuner.spec.values import Candidate

UNPROVEN = "a candidate of a search; nothing is proven about it"


def rendered(
    study: Study, engine: Engine, candidate: Candidate, evidence: Evidence | None = None
) -> dict[str, str]:
    """Return the artifacts of a candidate: file name -> text; none for an attached server."""
    if engine.name == "openai":
        return {}
    evidence = evidence or Evidence(engine.name, str(study.workload.load), UNPROVEN, (), False)
    return artifacts(candidate, engine.knobs, engine.model, serving(study, candidate), evidence)


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
