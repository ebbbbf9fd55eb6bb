"""Serve a finalist as the model that its own Modelfile makes, so that this is what is proven."""

from __future__ import annotations

from dataclasses import replace

from tuner.engines.base import Creates, Engine
from tuner.modelfile.create_request import create_request
from tuner.modelfile.document import parse
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Effective
from tuner.workflow.measuring.artifacts import rendered


async def create(
    study: Study, engine: Engine, candidate: Candidate, applied: Effective
) -> Effective | None:
    """Return what a model created from the candidate's Modelfile runs with.

    None where the engine makes no models: the candidate is then served as it was `applied`.
    """
    if not isinstance(engine, Creates):
        return None
    modelfile = parse(rendered(study, engine, candidate)["Modelfile"])
    found = await engine.create(candidate, create_request(modelfile))
    return replace(found, changed=applied.changed)
