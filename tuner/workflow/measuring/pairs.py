"""Bring the samples of two sides into the form that the estimator of gains takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tuner.spec.values import Metric, Sample
from tuner.stats.gains import Sides

Floats = npt.NDArray[np.float64]


def sides(ours: Sequence[Sample], theirs: Sequence[Sample], *, interleaved: bool) -> Sides:
    """Return for each sample its side, block, template and prompt.

    A block is an uninterrupted run on one engine start. Prompts are the same where both name and
    template agree: the name says which seed filled the template.
    """
    samples = [*ours, *theirs]
    mine = [i < len(ours) for i in range(len(samples))]
    keys = [(s.block, s.engine_start, who) for s, who in zip(samples, mine, strict=True)]
    places = {key: place for place, key in enumerate(sorted(set(keys)))}
    return Sides(
        np.array(mine, dtype=np.bool_),
        np.array([places[key] for key in keys], dtype=np.int_),
        [s.cluster for s in samples],
        [s.prompt_id for s in samples],
        interleaved,
    )


def latencies(
    ours: Sequence[Sample],
    theirs: Sequence[Sample],
    metric: Metric,
    *,
    scheduled: tuple[bool, bool],
    interleaved: bool,
) -> tuple[Sides, Floats] | None:
    """Return both sides and their latencies in seconds, inf for failed requests.

    Returns None where the latency of any request is unknown. A time of zero is left out: an
    answer of one token has no time per token.
    """
    pairs = zip((ours, theirs), scheduled, strict=True)
    seconds = np.array([s.latency_s(metric, scheduled=from_plan) for side, from_plan in pairs
                        for s in side])  # fmt: skip
    known = seconds > 0
    if np.isnan(seconds).any() or not known.any():
        return None
    return sides(ours, theirs, interleaved=interleaved).only(known), seconds[known]
