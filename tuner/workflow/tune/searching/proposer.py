"""The proposer of a study, which knows what the engine's own numbers hint at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tuner.search import hints
from tuner.search.propose import Proposer
from tuner.search.trial import Trial
from tuner.spec.values import Candidate
from tuner.workflow.measuring.candidates import all_knobs
from tuner.workflow.measuring.session import Session


def proposer(session: Session, base: Candidate, trials: Sequence[Trial]) -> Proposer:
    """Return the proposer of a session's study, with the trials of an earlier part of the run."""
    study, knobs = session.study, all_knobs(session.engine)
    return Proposer(
        study.space, base, study.sampler, study.seed, partial(hints.values, study, knobs), trials,
        free=frozenset(name for name, knob in knobs.items() if knob.tier == "request"),
        siblings=lambda: session.pace().siblings,
    )  # fmt: skip
