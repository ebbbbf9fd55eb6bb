"""The model of all trials: what it prefers, what it leaves alone, and that it stays quick."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.search.test_trial import STUDY, served
from tuner.search.surrogate import LEAST_TRIALS, MOST_TRIALS, Surrogate, worth_modelling
from tuner.search.trial import Trial, value, violations
from tuner.spec.space import Choices, Range, Space
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Guard, Sample

SPACE: Space = {"speed": Range(0.0, 1.0), "word": Choices(("a", "b", "c"))}
FAST = replace(STUDY, space=SPACE, objective="e2e_p99")

World = Callable[[Candidate, np.random.Generator], list[Sample]]


def answers(candidate: Candidate, rng: np.random.Generator) -> list[Sample]:
    """Return twenty answers: 800 ms at no speed and 200 ms at full, wrong with the word c."""
    typical = 800 - 600 * float(candidate["speed"])
    guard = "wrong_fields" if candidate["word"] == "c" else "correct"
    return [served(typical * math.exp(rng.normal(0, 0.05)), guard) for _ in range(20)]


def trials(study: Study, count: int, world: World = answers, seed: int = 1) -> list[Trial]:
    """Return trials of candidates drawn evenly."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        candidate = {"speed": round(rng.random(), 3), "word": "abc"[rng.integers(3)]}
        samples = tuple(world(candidate, rng))
        if not samples:
            found.append(Trial(number, candidate, "sampler", "pruned", "crashed"))
            continue
        found.append(
            Trial(number, candidate, "sampler", "complete", None, samples,
                  violations(study, samples, None), value(study, samples))
        )  # fmt: skip
    return found


def scored(study: Study, known: list[Trial], *candidates: Candidate) -> list[float]:
    """Return the scores of candidates."""
    found = Surrogate(study).scores(known, candidates)
    assert found is not None
    return found


def test_with_few_trials_nothing_is_said() -> None:
    """One trial less than the least is too few, whatever it brought."""
    known = trials(FAST, LEAST_TRIALS - 1)

    assert Surrogate(FAST).scores(known, [known[0].candidate]) is None


def test_what_keeps_every_bound_and_gains_is_preferred() -> None:
    """The fast one with right answers is before the slow one and before the wrong one."""
    good, slow, wrong = scored(
        FAST, trials(FAST, 20),
        {"speed": 0.98, "word": "a"}, {"speed": 0.1, "word": "a"}, {"speed": 0.98, "word": "c"},
    )  # fmt: skip

    assert good > max(slow, wrong) + 1


def test_what_drops_below_the_baseline_is_avoided() -> None:
    """With a baseline that is all right and max_drop, the word with wrong answers scores low."""
    study = replace(FAST, guard=Guard(max_drop=0.02))
    first, *others = trials(study, 20)
    baseline = replace(first, origin="baseline", samples=tuple([served(500)] * 20))
    right, wrong = scored(
        study, [baseline, *others], {"speed": 0.9, "word": "a"}, {"speed": 0.9, "word": "c"}
    )

    assert right > wrong + 1


def test_what_does_not_serve_is_avoided() -> None:
    """Where one word crashes the engine, the fastest candidate with it scores below others."""

    def crashing(candidate: Candidate, rng: np.random.Generator) -> list[Sample]:
        return [] if candidate["word"] == "b" else answers(candidate, rng)

    crashes, serves = scored(
        FAST, trials(FAST, 20, crashing), {"speed": 0.9, "word": "b"}, {"speed": 0.9, "word": "a"}
    )

    assert serves > crashes + 1


@pytest.mark.parametrize("objective", ["e2e_p99", "ttft_p99", "correct", "throughput"])
def test_every_objective_can_be_modelled(objective: str) -> None:
    """Scores are finite, whatever is asked for."""
    study = replace(FAST, objective=objective)
    known = trials(study, 12)

    assert np.isfinite(scored(study, known, *(t.candidate for t in known))).all()


def test_an_objective_that_is_unknown_leaves_the_bounds() -> None:
    """Without memory figures the candidates are ranked by the bounds alone."""
    study = replace(FAST, objective="memory")
    good, slow = scored(
        study, trials(study, 20), {"speed": 0.95, "word": "a"}, {"speed": 0.1, "word": "a"}
    )

    assert good > slow


def test_values_outside_the_space_are_left_out() -> None:
    """A baseline that the space does not hold is no trial of the model."""
    known = trials(FAST, 12)
    odd = replace(known[0], number=99, candidate={"speed": 7.0, "word": "z"})

    assert scored(FAST, [*known, odd], known[3].candidate) == scored(
        FAST, known, known[3].candidate
    )


def test_of_long_studies_the_best_and_the_newest_are_modelled() -> None:
    """The cost has a bound: half are the newest trials, half the best of the others."""
    known = trials(FAST, 2 * MOST_TRIALS)
    used = worth_modelling(known)
    best = sorted(known[: -MOST_TRIALS // 2], key=Trial.rank)

    assert len(used) == len({t.number for t in used}) == MOST_TRIALS
    assert known[-1] in used
    assert best[0] in used
    assert best[-1] not in used
