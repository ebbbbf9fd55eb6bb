"""Render the files that put a candidate into service, with what it was proven on."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from tuner.engines.artifacts import Evidence, ServedCandidate, Serving
from tuner.engines.base import Engine
from tuner.engines.registry import kind_of
from tuner.spec.knobs import Knob
from tuner.spec.requests.conversation import PROMPT_KNOBS, response_format, system_text, turns
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.workflow.measuring.candidates import all_knobs

UNPROVEN = "a candidate of a search; nothing is proven about it"


class Rendering:
    """The files of a candidate that is measured, rendered when they are first asked for.

    The same files create its model and are written to its folder.
    """

    def __init__(self, study: Study, engine: Engine, candidate: Candidate) -> None:
        self.study, self.engine, self.candidate = study, engine, candidate

    @cached_property
    def files(self) -> dict[str, str]:
        """Return file name -> text; raise InputError for what no file can hold."""
        evidence = Evidence(self.engine.name, str(self.study.workload.load), UNPROVEN)
        served = served_candidate(self.study, self.engine, self.candidate, evidence)
        return kind_of(self.study).artifacts(served)


def served_candidate(
    study: Study, engine: Engine, candidate: Candidate, evidence: Evidence
) -> ServedCandidate:
    """Return a candidate as its files are made from it, with `evidence` in their headers."""
    return ServedCandidate(study, engine, candidate, serving(study, candidate), evidence)


def placed(study: Study, engine: Engine) -> dict[str, Knob]:
    """Return each knob with the place where it is written, as this engine serves."""
    by_client = kind_of(study).prompt_where == "client"  # no model of its own holds the prompt
    return {
        name: replace(knob, where="client") if by_client and name in PROMPT_KNOBS else knob
        for name, knob in all_knobs(engine).items()
    }


def serving(study: Study, candidate: Candidate) -> Serving:
    """Return the texts, shots and format that a candidate's prompt knobs choose."""
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
