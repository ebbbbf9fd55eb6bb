"""The tuner's own search without one of its ideas, for a comparison with the whole of it.

An idea is taken away by putting something plain in the place of one public name of the product
while a run lasts. So the product has no switch that only a benchmark uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import optuna


def _nothing(*given: Any, **named: Any) -> tuple[()]:
    return ()


def _unchanged(study: Any, trial: Any, space: Any) -> Any:
    return trial.candidate


def _random(seed: int | None = None, **named: Any) -> Any:
    return optuna.samplers.RandomSampler(seed)


def _never(*given: Any, **named: Any) -> bool:
    return False


ABLATIONS: Mapping[str, tuple[str, Callable[..., Any] | int]] = {
    "no-sampler": ("optuna.samplers.TPESampler", _random),
    "no-neighbours": ("tuner.search.moves.Moves.neighbours", _nothing),
    "no-mutants": ("tuner.search.moves.Moves.mutants", _nothing),
    "no-hints": ("tuner.search.hints.values", _nothing),
    "no-tightening": ("tuner.search.hints.tightened", _unchanged),
    "no-racing": ("tuner.workflow.tune.searching.screening.outraced", _never),
    "no-cutting": ("tuner.workflow.tune.searching.screening.hopeless", _never),
    "no-siblings": ("tuner.search.budget.MOST_SIBLINGS", 0),
    "short-looks": ("tuner.search.budget.MOST_LOOK", 20),
}
"""Name -> (what of the product is replaced, what stands there instead).

Without neighbours or mutants the sampler has their turns; `no-sampler` draws at
random where TPE would propose.
"""


@contextmanager
def without(name: str) -> Iterator[None]:
    """Take an idea away while this lasts; any other strategy's name changes nothing."""
    if name not in ABLATIONS:
        yield
        return
    with patch(*ABLATIONS[name]):
        yield
