"""How much another round of searching is expected to bring, from what all trials so far showed.

What a trial falls short by has two parts: the log ratio of its worst target's quantile to the
bound, and the share of good answers that it lacks. A Gaussian process of each tells what to expect
of candidates that were not tried. What so many of them bring together is the expected improvement
of a batch (Ginsbourger, Le Riche and Carraro 2010, section 2) over what the best is worth itself,
since the luckiest of many short looks is no mark to beat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tuner.evaluate.estimates import shares
from tuner.search.budget import LEAST_LOOK
from tuner.search.moves import neighbours
from tuner.search.trial import Trial, violations
from tuner.search.worth import gap
from tuner.spec.space import Space, value_at
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.stats.process import Process

Floats = npt.NDArray[np.float64]

LEAST_TRIALS = 8
"""With fewer trials nothing is said of what others may bring."""

BEYOND = 1.0
"""What a trial falls short by counts as at most so much above the least: how bad bad ones are
tells little."""

MOST_TRIALS = 150
"""Of more trials so many are taken, drawn at random: matrices of all would take long."""

DRAWN, DRAWS = 200, 4000
"""How many candidates are drawn from the space, and how often what they bring."""

NORMAL_MEDIAN = 0.4549
"""The median of the square of a standard normal number."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What another round may bring: a |log ratio|, None where too little is known to say.

    It comes from `trials` that were measured, for `count` more, of candidates not tried.
    """

    gain: float | None
    trials: int
    count: int


def prospect(study: Study, trials: Sequence[Trial], count: int) -> Prospect:
    """Return how far `count` more trials are expected to come below what the best falls short by.

    Never below 0: what is found may be left alone. 0 where the space has no candidate left.
    """
    known = [t for t in trials if t.samples and t.violations]
    if len(known) < LEAST_TRIALS:
        return Prospect(None, len(known), count)
    best = min(known, key=lambda t: _short(study, t)).candidate
    untried = _untried(study, trials, best)
    if not untried or count < 1:
        return Prospect(0.0, len(known), 0)
    gain = _gain(study, _thinned(study, known, best), [best, *untried], count)
    return Prospect(gain, len(known), min(count, len(untried)))


def _short(study: Study, trial: Trial) -> float:
    return _worst(study, trial.violations) + max(_lacking(study, trial), 0.0)


def _gain(study: Study, known: Sequence[Trial], asked: Sequence[Candidate], count: int) -> float:
    """Return what the `count` most hopeful of those asked for bring over the first of them."""
    space, tried = study.space, [t.candidate for t in known]
    gaps, across = _gaps(space, tried, tried), _gaps(space, tried, asked)
    pace, answers = (Process.of(gaps, *told(study, known)) for told in (_pace, _answers))
    (fast, spread), (lacking, _) = pace.expected(across), answers.expected(across)
    hope = fast + np.maximum(lacking, 0.0) - spread
    chosen = [0, *(1 + np.argsort(hope[1:])[:count])]
    picked = [asked[i] for i in chosen]
    within, rng = _gaps(space, picked, picked), np.random.default_rng(study.seed)
    drawn = [side.draws(across[..., chosen], within, DRAWS, rng) for side in (pace, answers)]
    short = drawn[0] + np.maximum(drawn[1], 0.0)
    return float(np.maximum(short[:, 0] - short[:, 1:].min(axis=1), 0.0).mean())


def _pace(study: Study, trials: Sequence[Trial]) -> tuple[Floats, Floats]:
    """Return the log ratio of each trial's worst target to its bound, and its variance by chance.

    The halves of a trial show that: their difference has four times the variance of the whole.
    """
    found = np.array([_worst(study, t.violations) for t in trials])
    halves = [
        _worst(study, violations(study, t.samples[::2], None))
        - _worst(study, violations(study, t.samples[1::2], None))
        for t in trials
        if len(t.samples) >= LEAST_LOOK
    ]
    noise = float(np.median(np.square(halves))) / NORMAL_MEDIAN / 4 if halves else 0.0
    sizes = np.array([len(t.samples) for t in trials])
    return np.minimum(found, found.min() + BEYOND), noise * LEAST_LOOK / sizes


def _worst(study: Study, found: Mapping[str, float]) -> float:
    return max(found[str(slo)] for slo in study.slos)


def _answers(study: Study, trials: Sequence[Trial]) -> tuple[Floats, Floats]:
    """Return the share of good answers that each trial lacks, and its variance by chance."""
    found = np.array([_lacking(study, t) for t in trials])
    sizes = np.array([len(t.samples) for t in trials])
    good = (np.array([shares(t.samples)[1] for t in trials]) * sizes + 0.5) / (sizes + 1)
    return found, good * (1 - good) / sizes


def _lacking(study: Study, trial: Trial) -> float:
    targets = {str(slo) for slo in study.slos}
    return max((v for name, v in trial.violations.items() if name not in targets), default=0.0)


def _untried(study: Study, trials: Sequence[Trial], best: Candidate) -> list[Candidate]:
    """Return candidates beside the best and from anywhere in the space that were not tried."""
    tried = [dict(t.candidate) for t in trials]
    found: list[Candidate] = []
    for candidate in (*neighbours(best, study.space, best), *_drawn(study, best)):
        if candidate not in tried and candidate not in found:
            found.append(candidate)
    return found


def _drawn(study: Study, best: Candidate) -> Iterator[Candidate]:
    rng = np.random.default_rng([study.seed, DRAWN])
    for row in rng.random((DRAWN, len(study.space))):
        settings = zip(study.space.items(), row, strict=True)
        yield {**best, **{name: value_at(d, float(share)) for (name, d), share in settings}}


def _thinned(study: Study, known: Sequence[Trial], best: Candidate) -> Sequence[Trial]:
    """Return the trials of the best and as many others as can be reckoned with."""
    of_best = [t for t in known if t.candidate == best]
    others = [t for t in known if t.candidate != best]
    rng = np.random.default_rng([study.seed, MOST_TRIALS])
    return [*of_best, *(others[i] for i in rng.permutation(len(others))[:MOST_TRIALS])]


def _gaps(space: Space, a: Sequence[Candidate], b: Sequence[Candidate]) -> Floats:
    """Return how far apart candidates are by each knob, shape (knobs, a, b)."""
    return np.array(
        [
            [[gap(d, one[name], other[name]) for other in b] for one in a]
            for name, d in space.items()
        ]
    )
