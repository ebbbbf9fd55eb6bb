"""What a validation is expected to take, told before anything is measured."""

from __future__ import annotations

import math

from tuner.evaluate.validation import EACH, NOISY, Planned
from tuner.search.budget import Pace, expected_pace
from tuner.spec.study import Study
from tuner.stats.paired import fewest_pairs
from tuner.stats.signs import pairs_to_show, wins_needed
from tuner.workflow.dueling.pairs import block_size, pair_s

SPARE_PAIRS = 2
"""Pairs beyond those that like pairs take, over which the requests of a proof are spread."""


def block_of(study: Study) -> int:
    """Return how many requests a block has."""
    return block_size(study, EACH, wins_needed(EACH) + SPARE_PAIRS)


def planned(study: Study, max_drop: float, pace: Pace | None = None) -> Planned:
    """Return the plan at a pace, by default the one that the study suggests."""
    block = block_of(study)
    return Planned(
        block=block,
        pairs=wins_needed(EACH),
        pairs_noisy=pairs_to_show(NOISY, EACH),
        answers=fewest_pairs(max_drop, EACH) if max_drop > 0 else math.inf,
        templates=study.workload.proof_templates,
        pair_s=pair_s(pace or expected_pace(study), 2, block),
        budget_s=study.budget_s,
    )
