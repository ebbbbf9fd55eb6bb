"""Serve a finalist as the model that its own Modelfile makes, so that this is what is proven."""

from __future__ import annotations

from dataclasses import replace

from tuner.engines.base import Creates
from tuner.modelfile.create_request import create_request
from tuner.modelfile.document import parse
from tuner.spec.values import Effective
from tuner.workflow.measuring.artifacts import Rendering


async def create_model(rendering: Rendering, applied: Effective) -> Effective | None:
    """Create the model of a rendered Modelfile and return what it runs with.

    Returns None where the engine makes no models: the candidate is then served as it was
    `applied`. Raises EngineError where the model cannot be created.
    """
    engine = rendering.engine
    if not isinstance(engine, Creates):
        return None
    modelfile = parse(rendering.files["Modelfile"])
    found = await engine.create(rendering.candidate, create_request(modelfile))
    return replace(found, changed=applied.changed)
