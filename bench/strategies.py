"""Strategies that the tuner's own search is compared with.

All of them run in the tuner's workflow (controls, screening, second look, proof on fresh
requests), so that only the choice of candidates differs. What each leaves out of its model is
said in its docstring; none but `ours` uses hints or neighbours.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator, Mapping

import optuna

from bench.ablations import ABLATIONS
from bench.plain import Plain
from bench.streams import Coordinate, Grid, Halving, Listed, Staged
from bench.worlds import worlds
from bench.worlds.landscape import landscape
from tuner.search.propose import Proposer, Strategy
from tuner.spec.study import Study
from tuner.spec.values import Candidate

Made = Callable[[Study, Candidate], Strategy | None]


class Oracle(Listed):
    """Told the best provable candidates, the best first: the bound of what proposals can bring.

    They follow the controls, of which the worlds have one or two. When all are through it draws.
    """

    def __init__(self, study: Study, base: Candidate) -> None:
        self._told = landscape(worlds()[study.name]).provable
        super().__init__(study, base)

    def stream(self) -> Iterator[Candidate | None]:
        """Yield them, with everything else at the baseline's value."""
        for candidate in self._told:
            yield {**self.base, **{name: candidate[name] for name in self.space}}
        while True:
            yield self.random()


def _ours(study: Study, base: Candidate) -> None:
    """Leave it to the workflow, which makes the product's own."""


def _random(study: Study, base: Candidate) -> Strategy:
    return Proposer(study.space, base, "random", study.seed)


def _tpe(study: Study, base: Candidate) -> Strategy:
    return Plain(study, base, optuna.samplers.TPESampler(seed=study.seed), ordered=False)


def _gp(study: Study, base: Candidate) -> Strategy:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.GPSampler(seed=study.seed)
    return Plain(study, base, sampler, ordered=True)


RIVALS: Mapping[str, Made] = {
    "random": _random,
    "grid": Grid,
    "tpe": _tpe,
    "gp": _gp,
    "coordinate": Coordinate,
    "halving": Halving,
    "staged": Staged,
}

COMPARED: Mapping[str, Made] = {"ours": _ours, "oracle": Oracle, **RIVALS}
"""What is compared unless other names are given."""

STRATEGIES: Mapping[str, Made] = {**COMPARED, **dict.fromkeys(ABLATIONS, _ours)}


def missing(name: str) -> str | None:
    """Say why a strategy cannot run here, None where it can."""
    if name == "gp" and importlib.util.find_spec("torch") is None:
        return "strategy gp: skipped, torch is not installed"
    return None
