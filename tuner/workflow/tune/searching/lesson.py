"""What earlier rounds teach the search of the next one: their trials, never their proofs.

Held-out answers choose no candidate, but for one thing: what failed its proof is not proven again.
So the errors of all rounds add up, however many finalists each of them had.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuner.search.propose import Proposer
from tuner.search.trial import Trial
from tuner.spec.knobs import Knob
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.store.trial_folder import read_all
from tuner.workflow.tune.searching.trials import restored

FIRST = 2
"""So many of the best candidates of earlier rounds are measured first."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """The rounds before a run: their folders, and the candidates that failed a proof in them."""

    folders: Sequence[Path] = ()
    failed: Sequence[Candidate] = ()


NONE = Earlier()


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is known before a search: trials, the candidates to begin with, and those that failed.

    The first of `first` is where the search goes on, the new baseline of the search alone: what is
    proven is compared with the study's own.
    """

    trials: Sequence[Trial] = ()
    first: Sequence[Candidate] = ()
    failed: Collection[Candidate] = ()

    @classmethod
    def of(
        cls, study: Study, knobs: Mapping[str, Knob], base: Candidate, earlier: Earlier
    ) -> Lesson:
        """Return what earlier rounds of a study teach; raise InputError as `read_all` does."""
        trials = trials_in(study, knobs, earlier.folders)
        return cls(trials, best_of(trials, base, earlier.failed), earlier.failed)

    def teach(self, proposer: Proposer) -> None:
        """Tell a proposer what is known, so that it proposes nothing twice."""
        for trial in self.trials:
            proposer.learn(trial)
            if trial.candidate not in self.first:
                proposer.avoid(trial.candidate)


def trials_in(study: Study, knobs: Mapping[str, Knob], folders: Sequence[Path]) -> list[Trial]:
    """Return the trials of rounds; numbers are unique within a round alone."""
    return [t for folder in folders for t in restored(study, knobs, read_all(folder))]


def best_of(
    trials: Sequence[Trial], base: Candidate, failed: Collection[Candidate]
) -> list[Candidate]:
    """Return the candidates from which a search goes on, as the search ranks them.

    The baseline is none of them, since each round measures it anyway.
    """
    found: list[Candidate] = []
    for trial in sorted((t for t in trials if t.samples), key=Trial.rank):
        if trial.candidate not in (base, *failed, *found) and len(found) < FIRST:
            found.append(trial.candidate)
    return found
