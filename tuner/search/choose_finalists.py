"""Choose the trials for second looks, for proofs, and for a proof beside a proven one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tuner.evaluate.estimates import shares
from tuner.search.trial import Trial, chance, p99_s
from tuner.spec.knobs import Knob
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Sample, changes

EQUAL = 0.95
"""Promises within this share of the best are within the noise of screening."""

FASTER = 1.1
"""Screening tells p99s apart that differ by more than this factor, and not always."""

_PRIOR_REQUESTS = 8
"""Weight of the prior that pulls a share seen on few requests towards the middle."""

_UNKNOWN = 1e-9
"""The worth of a trial whose objective is unknown: it is never the best."""

WORTH_A_LOOK, WORTH_A_PROOF = 0.15, 0.4
"""The least chance of being proven at which a second look, and a proof, are worth their time."""


def promising(study: Study, trial: Trial, least: float) -> bool:
    """Tell whether a trial was measured in full and its chance to be proven is at least `least`."""
    return trial.state == "complete" and chance(study, trial) >= least


def rank(study: Study, trials: Sequence[Trial], base: Candidate) -> list[Trial]:
    """Return the trials that were measured in full, the most promising first.

    Cut trials come in where only the baseline was measured in full. See `promise`; among equals
    (to three digits, since promises of a hard study are all small) the fastest comes first, then
    the smallest change.
    """
    measured = [t for t in trials if t.state == "complete"]
    if all(t.origin == "baseline" for t in measured):  # it is never cut, however late it is
        measured = [t for t in trials if t.samples]
    return sorted(
        measured,
        key=lambda t: (
            -float(f"{promise(study, t):.3g}"),
            _slowness(study, t),
            len(changes(t.candidate, base)),
        ),
    )


def promise(study: Study, trial: Trial) -> float:
    """Return how much a trial promises: its chance to be proven times its worth."""
    return chance(study, trial) * worth(study, trial.samples, trial.value)


def worth(study: Study, samples: Sequence[Sample], value: float) -> float:
    """Return the objective as a number above 0, of which ratios can be compared.

    A share of right answers is pulled towards the middle, against the winner's curse.
    """
    if study.objective != "correct":
        return _UNKNOWN if math.isnan(value) else math.exp(min(value, 50.0))
    n = len(samples)
    return (shares(samples)[1] * n + 0.5 * _PRIOR_REQUESTS) / (n + _PRIOR_REQUESTS)


def choose_finalists(
    study: Study, trials: Sequence[Trial], base: Candidate, count: int
) -> list[Trial]:
    """Return up to `count` trials to prove, in order.

    Of the trials that promise as much as the best, the fastest come first, and of those the least
    changed. Where some had a second look, only they are chosen: the best of many short looks is
    mostly the luckiest.
    """
    left = rank(study, _looked_at_longest(trials), base)
    chosen: list[Trial] = []
    while left and len(chosen) < count:
        equals = [t for t in left if _as_good(study, t, left[0])]
        pick = min(_fastest(study, equals), key=lambda t: len(changes(t.candidate, base)))
        chosen.append(pick)
        left.remove(pick)
    return chosen


def answers_alike(knobs: Mapping[str, Knob], a: Candidate, b: Candidate) -> bool:
    """Tell whether two candidates are expected to answer alike, at whatever pace.

    Numbers and switches of a server change its pace; what requests carry, and words (a model, a
    type of weights), change answers.
    """
    differing = changes(a, b)
    words = any(isinstance(side[name], str) for name in differing for side in (a, b))
    return not words and all(knobs[name].tier != "request" for name in differing)


def better(study: Study, trials: Sequence[Trial], proven: float) -> Trial | None:
    """Return the trial to prove beside one of worth `proven`, None where there is none.

    It has the largest chance times gain of those that are worth a proof and promise more than
    what is proven, beyond the noise of screening.
    """

    def gain(trial: Trial) -> float:
        return worth(study, trial.samples, trial.value) / proven - 1

    found = (t for t in _looked_at_longest(trials) if promising(study, t, WORTH_A_PROOF))
    faster = [t for t in found if EQUAL * (gain(t) + 1) > 1]
    return max(faster, key=lambda t: chance(study, t) * gain(t), default=None)


def _looked_at_longest(trials: Sequence[Trial]) -> Sequence[Trial]:
    longer = [t for t in trials if t.state == "complete" and len(t.samples) > t.planned]
    return longer or trials


def _as_good(study: Study, trial: Trial, best: Trial) -> bool:
    """Tell whether a trial promises as much as the best within the noise of screening.

    Shares of right answers within a standard error count as equal (the rule of Breiman and
    others, Classification and Regression Trees, 1984, section 3.4.3). So do chances that are both
    worth a proof: the surer one is mostly the one that was looked at longer.
    """
    if promise(study, trial) >= EQUAL * promise(study, best):
        return True
    if study.objective != "correct":
        return False
    gap = shares(best.samples)[1] - shares(trial.samples)[1]
    noise = math.hypot(_error(study, trial), _error(study, best))
    return gap <= noise and chance(study, trial) >= min(chance(study, best), WORTH_A_PROOF)


def _error(study: Study, trial: Trial) -> float:
    """Return the standard error of a trial's share of right answers."""
    share = worth(study, trial.samples, trial.value)
    return math.sqrt(share * (1 - share) / max(len(trial.samples), 1))


def _fastest(study: Study, trials: Sequence[Trial]) -> list[Trial]:
    """Return the trials that are as fast as the fastest, within what screening tells apart."""
    steps = [_slowness(study, t) for t in trials]
    return [t for t, step in zip(trials, steps, strict=True) if step <= min(steps) + 1]


def _slowness(study: Study, trial: Trial) -> float:
    """Return a trial's p99 in steps of FASTER; infinite where it is infinite or unknown."""
    seconds = p99_s(study, trial.samples, study.slos[0].metric if study.slos else "e2e")
    known = math.isfinite(seconds) and seconds > 0
    return round(math.log(seconds) / math.log(FASTER)) if known else math.inf
