"""What the answers of two sides to the same prompts say beside each other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tuner.guard.verdict import first_answers, paired
from tuner.spec.study import Study
from tuner.spec.values import Sample
from tuner.workflow.dueling.pairs import Pair, S

MARGIN = 0.05
"""How much worse answers may be where the study says nothing (`guard.max_drop`): 5 points."""


def margin_of(study: Study) -> float:
    """Return how much worse answers may be, as a share."""
    return MARGIN if study.guard.max_drop is None else study.guard.max_drop


def answered(pair: Pair[S], side: S) -> bool:
    """Tell whether a side answered in a pair, and its server did not die."""
    return side in pair and bool(pair[side].counted) and pair[side].failed is None


def answers(pairs: Iterable[Pair[S]], side: S) -> tuple[Sample, ...]:
    """Return the answers of a side, without blocks in which its server died."""
    return tuple(s for pair in pairs if answered(pair, side) for s in pair[side].counted)


def agreement(ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[float]:
    """Return for the first answer to each template whether the other side says the same, as 1.0."""
    return [float(_content(a) == _content(b)) for a, b in paired(first_answers(ours), theirs)]


def _content(sample: Sample) -> Any:
    """Return what an answer says: JSON as its value, other text without blanks around it."""
    try:
        return json.loads(sample.answer)
    except ValueError:
        return sample.answer.strip()
