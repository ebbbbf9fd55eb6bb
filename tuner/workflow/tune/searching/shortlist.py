"""Measure the most promising trials on more prompts, before any of them is proven."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from tuner.search import hints
from tuner.search.choose_finalists import rank
from tuner.search.trial import Trial, baseline_correct
from tuner.spec.requests.workload import Supply
from tuner.spec.values import Candidate, Sample
from tuner.store.trial_folder import Place
from tuner.workflow.measuring.trial_spec import TrialSpec
from tuner.workflow.tune.searching.screening import Screening
from tuner.workflow.tune.searching.trials import continued, looked_at_longer


async def second_looks(screening: Screening, base: Candidate, count: int) -> list[Trial]:
    """Return the trials, with more samples for up to `count` of the most promising.

    Only trials without a second look get one, while the time for it lasts. Each gets the output
    limit that keeps the target first, where that is cheap. It is then a trial of its own, and the
    old samples count for it as well, cut as the limit would have cut them.
    """
    session, trials = screening.session, screening.trials
    updated = {t.number: t for t in trials}
    for trial in rank(session.study, _not_looked_at(trials), base)[: max(count, 0)]:
        # where the best has no time for one, none gets any: only who had one would be proven
        start_s = await session.until_served_s(trial.candidate) or 0.0
        if session.elapsed_s() + start_s >= _until_s(screening):
            break
        again = await _look_again(screening, trial)
        updated[again.number] = again
        screening.watcher.trial(again, len(trials), session.left_s())
    return list(updated.values())


def _not_looked_at(trials: Sequence[Trial]) -> list[Trial]:
    looked = {t.of for t in trials} | {t.number for t in trials if t.of is not None}
    return [t for t in trials if t.number not in looked]


def _until_s(screening: Screening) -> float:
    """Return the time of the run, in seconds, at which proving has to begin."""
    return screening.session.budget_s - screening.plan.confirmation_s


async def _look_again(screening: Screening, trial: Trial) -> Trial:
    session, until_s = screening.session, _until_s(screening)
    study, number = session.study, trial.number
    tight = hints.tightened(study, trial, study.space, session.engine.knobs)
    if tight != trial.candidate:
        number = screening.queue.strategy.fixed(tight, "tightened")[0]
    supply = Supply(study.workload, held_out=False, seed=study.seed)
    more = itertools.islice(supply.prompts(10_000 + number), trial.planned, None)

    def stop(sample: Sample) -> bool:
        return session.elapsed_s() >= until_s

    place = Place("shortlist", number, trial.origin, trial.number)
    spec = TrialSpec(f"{number:04d}-more", place, more, session.pace().second_look, stop)
    measured = await session.measure(tight, spec)
    known = baseline_correct(screening.trials)
    longer = continued(trial, number, tight, session.engine.knobs)
    again = looked_at_longer(study, longer, measured, known)
    if number != trial.number:
        screening.queue.strategy.tell(again)
    return again
