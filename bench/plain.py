"""Optuna's samplers as their documentation shows them, behind the tuner's `Strategy`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from bench.streams import RETRIES, key
from tuner.search.propose import Proposal
from tuner.search.trial import WORST_VIOLATION, Origin, Trial
from tuner.spec.space import Choices, Dimension, Range
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Setting


class Plain:
    """An Optuna sampler as its documentation shows it: choices are categories (for TPE).

    It is told constraints and values as the tuner's own search is. The baseline and other
    fixed candidates are told too where they lie in the space.
    """

    def __init__(
        self, study: Study, base: Candidate, sampler: optuna.samplers.BaseSampler, *, ordered: bool
    ) -> None:
        self._space, self._base, self._ordered = study.space, base, ordered
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._distributions = {n: distribution(d, ordered) for n, d in study.space.items()}
        self._asked: dict[int, optuna.Trial] = {}
        self._tried: set[str] = set()
        self._count = 0

    def fixed(self, candidate: Candidate, origin: Origin) -> Proposal:
        """Return a given candidate as a proposal."""
        inside = all(d.contains(candidate[name]) for name, d in self._space.items())
        if not inside:
            return self._numbered(candidate, None, origin)
        params = {n: self._encoded(d, candidate[n]) for n, d in self._space.items()}
        self._study.enqueue_trial(params)
        return self._numbered(candidate, self._ask(), origin)

    def batch(self, size: int, trials: Sequence[Trial]) -> list[Proposal]:
        """Return candidates of the sampler; repetitions are drawn again, up to a point."""
        return [self._sampled() for _ in range(size)]

    def _sampled(self) -> Proposal:
        for attempt in range(RETRIES):
            asked = self._ask()
            values = {n: self._decoded(d, asked.params[n]) for n, d in self._space.items()}
            candidate = {**self._base, **values}
            if key(candidate) not in self._tried or attempt == RETRIES - 1:
                break
            self._study.tell(asked, state=TrialState.FAIL)
        return self._numbered(candidate, asked, "sampler")

    def tell(self, trial: Trial) -> None:
        """Tell constraints and value; a trial without a full measurement is PRUNED."""
        asked = self._asked.pop(trial.number, None)
        if asked is None:
            return
        violations = trial.violations or {"failed": WORST_VIOLATION}
        for name, amount in violations.items():
            asked.set_constraint(name, min(amount, WORST_VIOLATION))
        if trial.state == "complete" and math.isfinite(trial.value):
            self._study.tell(asked, trial.value)
        else:
            self._study.tell(asked, state=TrialState.PRUNED)

    def _ask(self) -> optuna.Trial:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._study.ask(fixed_distributions=self._distributions)

    def _numbered(
        self, candidate: Candidate, asked: optuna.Trial | None, origin: Origin
    ) -> Proposal:
        number, self._count = self._count, self._count + 1
        self._tried.add(key(candidate))
        if asked is not None:
            self._asked[number] = asked
        return number, candidate, origin

    def _encoded(self, dimension: Dimension, value: Setting) -> Any:
        if isinstance(dimension, Choices):
            ordered = self._ordered and dimension.ordered
            return dimension.values.index(value) if ordered else value
        return dimension.nearest(float(value))

    def _decoded(self, dimension: Dimension, param: Any) -> Setting:
        if isinstance(dimension, Range):
            return dimension.nearest(param)
        return dimension.values[param] if self._ordered and dimension.ordered else param


def distribution(dimension: Dimension, ordered: bool) -> BaseDistribution:
    """Return Optuna's distribution; `ordered` numeric choices are an index."""
    if isinstance(dimension, Choices):
        if ordered and dimension.ordered:
            return IntDistribution(0, len(dimension) - 1)
        return CategoricalDistribution(dimension.values)
    if dimension.integer:
        step = 1 if dimension.log else int(dimension.step or 1)
        return IntDistribution(int(dimension.low), int(dimension.high), dimension.log, step)
    return FloatDistribution(dimension.low, dimension.high, dimension.log, dimension.step)
