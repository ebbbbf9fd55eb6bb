"""Optuna's samplers as their documentation shows them, behind the tuner's `Strategy`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
from optuna.trial import TrialState

from bench.streams import RETRIES, key
from tuner.search.encoding import decode, distribution, encode
from tuner.search.propose import Proposal, tell
from tuner.search.trial import Origin, Trial
from tuner.spec.space import Choices, Dimension
from tuner.spec.study import Study
from tuner.spec.values import Candidate


class Categories(Choices):
    """Choices that a sampler is to take as categories, numbers or not."""

    @property
    def ordered(self) -> bool:
        """Return False: an index would have a meaning."""
        return False


def _categories(dimension: Dimension) -> Dimension:
    return Categories(dimension.values) if isinstance(dimension, Choices) else dimension


class Plain:
    """An Optuna sampler as its documentation shows it: choices are categories (for TPE).

    It is told constraints and values as the tuner's own search is. The baseline and other
    fixed candidates are told too where they lie in the space.
    """

    def __init__(
        self, study: Study, base: Candidate, sampler: optuna.samplers.BaseSampler, *, ordered: bool
    ) -> None:
        self._base = base
        self._space = {n: d if ordered else _categories(d) for n, d in study.space.items()}
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._distributions = {n: distribution(d) for n, d in self._space.items()}
        self._asked: dict[int, optuna.Trial] = {}
        self._tried: set[str] = set()
        self._count = 0

    def fixed(self, candidate: Candidate, origin: Origin) -> Proposal:
        """Return a given candidate as a proposal."""
        inside = all(d.contains(candidate[name]) for name, d in self._space.items())
        if not inside:
            return self._numbered(candidate, None, origin)
        params = {n: encode(d, candidate[n]) for n, d in self._space.items()}
        self._study.enqueue_trial(params)
        return self._numbered(candidate, self._ask(), origin)

    def batch(self, size: int, trials: Sequence[Trial]) -> list[Proposal]:
        """Return candidates of the sampler; repetitions are drawn again, up to a point."""
        return [self._sampled() for _ in range(size)]

    def _sampled(self) -> Proposal:
        for attempt in range(RETRIES):
            asked = self._ask()
            values = {n: decode(d, asked.params[n]) for n, d in self._space.items()}
            candidate = {**self._base, **values}
            if key(candidate) not in self._tried or attempt == RETRIES - 1:
                break
            self._study.tell(asked, state=TrialState.FAIL)
        return self._numbered(candidate, asked, "sampler")

    def beside(self, candidate: Candidate, trials: Sequence[Trial], count: int) -> list[Proposal]:
        """Return none: it does not know what a start costs."""
        return []

    def tell(self, trial: Trial) -> None:
        """Tell constraints and value; a trial without a full measurement is PRUNED."""
        asked = self._asked.pop(trial.number, None)
        if asked is None:
            return
        tell(self._study, asked, trial)

    def drop(self, knob: str) -> None:
        """Go on with all knobs: it is no part of what is compared."""

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
