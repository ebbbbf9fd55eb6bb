"""Leave out knobs of which the engine makes the same, whatever value they have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tuner.engines.base import Engine, Resolves
from tuner.spec.space import Choices, Dimension, value_at
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Setting
from tuner.workflow.measuring.candidates import baseline

CONTEXTS = 8
"""Settings of all other knobs with which a knob is tried: it may matter beside some of them."""

MOST_VALUES = 4


async def without_inert(study: Study, engine: Engine) -> tuple[Study, dict[str, str]]:
    """Return a study without the knobs that change nothing, and why, by knob.

    An engine that does not tell what it makes of settings has none.
    """
    if not isinstance(engine, Resolves):
        return study, {}
    contexts = list(_contexts(study, baseline(study, engine)))
    dear = [n for n in study.space if n in engine.knobs and engine.knobs[n].tier != "request"]
    found = {
        name: f"{engine.name} makes the same of all its values"
        for name in dear
        if await _is_inert(engine, name, study.space[name], contexts)
    }
    space = {name: d for name, d in study.space.items() if name not in found}
    return replace(study, space=space), found


async def _is_inert(
    engine: Resolves, name: str, dimension: Dimension, contexts: list[Candidate]
) -> bool:
    """Tell whether all values come to the same beside each context; refusals tell nothing."""
    compared = False
    for context in contexts:
        tried = [await engine.resolve({**context, name: v}) for v in _some(dimension)]
        identities = {resolved.identity for resolved in tried if resolved.identity is not None}
        if len(identities) > 1:
            return False
        compared = compared or sum(r.identity is not None for r in tried) > 1
    return compared


def _contexts(study: Study, base: Candidate) -> Iterator[Candidate]:
    """Yield the baseline, and candidates drawn from the space."""
    yield base
    rng = np.random.default_rng(study.seed)
    for _ in range(CONTEXTS - 1):
        drawn = {name: value_at(d, float(rng.random())) for name, d in study.space.items()}
        yield {**base, **drawn}


def _some(dimension: Dimension) -> list[Setting]:
    """Return a few values of a dimension, its ends among them."""
    if isinstance(dimension, Choices):
        return list(dimension.values)
    shares = np.linspace(0, 1, MOST_VALUES, endpoint=False)
    inside = (value_at(dimension, float(share)) for share in shares)
    return [*inside, dimension.nearest(dimension.high)]
