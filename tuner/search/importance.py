"""Which knobs told good trials from others, and how surely: PED-ANOVA on resampled trials.

It describes the trials that were made, which the search did not draw at random. It is no effect
of a knob: that needs a measurement of this knob alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.importance import PedAnovaImportanceEvaluator

from tuner.spec.values import Candidate, Setting

LEAST_TRIALS = 12
"""Fewer trials tell nothing: their best quarter would be one or two."""

RESAMPLES = 50
BEST_SHARE = 0.25
SURE = 0.9
"""A knob that is first in this share of the resamples is called the one that mattered most."""

INTERVAL = (0.05, 0.95)


@dataclass(frozen=True, slots=True)
class Importance:
    """How much one knob tells the best quarter of trials from all, as a share of all knobs.

    `low` and `high` are the 5 % and the 95 % quantile over the resamples; `first` is in how many of
    them it came first.
    """

    knob: str
    share: float
    low: float
    high: float
    first: int


def importance(candidates: Sequence[Candidate], ranks: Sequence[float]) -> list[Importance]:
    """Return the knobs that varied, the most important first; [] where it cannot be told.

    `ranks` has a number for each candidate, the least for the best. The same trials give the same
    figures. Source: Watanabe, Bansal and Hutter, PED-ANOVA: Efficiently Quantifying Hyperparameter
    Importance in Arbitrary Subspaces, IJCAI 2023, as Optuna has it; the resamples are Efron's
    bootstrap (1979).
    """
    space = _space(candidates)
    if len(candidates) < LEAST_TRIALS or not space:
        return []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    random, every = np.random.default_rng(0), range(len(candidates))
    drawn = [random.choice(every, len(every)).tolist() for _ in range(RESAMPLES)]
    seen = [found for d in drawn if (found := _shares(candidates, ranks, space, d))]
    whole = _shares(candidates, ranks, space, every)
    if not whole or len(seen) < RESAMPLES / 2:
        return []
    told = [_importance(knob, share, seen) for knob, share in whole.items()]
    return sorted(told, key=lambda knob: -knob.share)


def _importance(knob: str, share: float, seen: Sequence[Mapping[str, float]]) -> Importance:
    low, high = np.quantile([shares[knob] for shares in seen], INTERVAL)
    first = sum(max(shares, key=lambda name: shares[name]) == knob for shares in seen)
    return Importance(knob, share, float(low), float(high), first)


def _space(candidates: Sequence[Candidate]) -> dict[str, BaseDistribution]:
    """Return the knobs that every candidate has and that varied, with what they were."""
    names = [n for n in candidates[0] if all(n in c for c in candidates)] if candidates else []
    values = {name: list(dict.fromkeys(c[name] for c in candidates)) for name in names}
    return {name: _distribution(seen) for name, seen in values.items() if len(seen) > 1}


def _distribution(seen: Sequence[Setting]) -> BaseDistribution:
    if all(type(value) in (int, float) for value in seen):
        numbers = [float(value) for value in seen]
        return FloatDistribution(min(numbers), max(numbers))
    return CategoricalDistribution([str(value) for value in seen])


def _shares(
    candidates: Sequence[Candidate],
    ranks: Sequence[float],
    space: Mapping[str, BaseDistribution],
    drawn: Sequence[int],
) -> dict[str, float]:
    """Return each knob's share of the importance in some of the trials, {} where none has any."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study = optuna.create_study(direction="minimize")
        study.add_trials([_frozen(candidates[i], ranks[i], space) for i in drawn])
        evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE)
        found = evaluator.evaluate(study, params=list(space))
    whole = sum(found.values())
    return {knob: found[knob] / whole for knob in space} if whole > 0 else {}


def _frozen(
    candidate: Candidate, rank: float, space: Mapping[str, BaseDistribution]
) -> optuna.trial.FrozenTrial:
    params = {
        name: (float if isinstance(kind, FloatDistribution) else str)(candidate[name])
        for name, kind in space.items()
    }
    return optuna.trial.create_trial(params=params, distributions=dict(space), value=rank)
