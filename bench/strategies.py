"""Strategies that the tuner's own search is compared with.

All of them run in the tuner's workflow (controls, screening of twenty requests, shortlist,
proof on fresh requests), so that only the choice of candidates differs. What each leaves out
of its model is said in its docstring; none but `ours` uses hints or neighbours.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping

import optuna

from bench.plain import Plain
from bench.streams import Coordinate, Grid, Halving
from tuner.search.propose import Proposer, Strategy
from tuner.spec.study import Study
from tuner.spec.values import Candidate


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


STRATEGIES: Mapping[str, Callable[[Study, Candidate], Strategy | None]] = {
    "ours": _ours,
    "random": _random,
    "grid": Grid,
    "tpe": _tpe,
    "gp": _gp,
    "coordinate": Coordinate,
    "halving": Halving,
}


def missing(name: str) -> str | None:
    """Say why a strategy cannot run here, None where it can."""
    if name == "gp" and importlib.util.find_spec("torch") is None:
        return "strategy gp: skipped, torch is not installed"
    return None
