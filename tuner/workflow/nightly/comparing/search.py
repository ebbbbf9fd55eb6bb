"""Search for something that looks better than what serves."""

from __future__ import annotations

import math
from collections.abc import Collection

from tuner.evaluate.duel import FLOOR
from tuner.search.budget import SHORTLIST, plan
from tuner.search.choose_finalists import WORTH_A_LOOK, choose_finalists, promising
from tuner.search.trial import Trial
from tuner.spec.identity import digest
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.workflow.measuring.session import Session
from tuner.workflow.nightly.comparing.tonight import Searched, Tonight
from tuner.workflow.nightly.comparing.warm_start import warm_start
from tuner.workflow.tune.searching.baseline_drift import BaselineRechecks
from tuner.workflow.tune.searching.proposer import proposer
from tuner.workflow.tune.searching.queue import Queue
from tuner.workflow.tune.searching.screening import Screening
from tuner.workflow.tune.searching.shortlist import second_looks


async def search(tonight: Tonight, session: Session, resting: Collection[str] = ()) -> Searched:
    """Return the trials of a search that begins with what serves and the best of earlier nights.

    Challengers that are `resting` are not chosen. Raises EngineDied where what serves answers
    nothing.
    """
    study, base, watcher = tonight.study, tonight.base, tonight.watcher
    own, warm = proposer(session, base, ()), warm_start(tonight)
    for trial in warm.trials:
        own.learn(trial)
    if warm.told:
        watcher.note(warm.told)
    decided = _decided(tonight)
    for candidate in decided:
        own.avoid(candidate)
    rechecks = BaselineRechecks.of(session, base, ())
    screening = Screening(
        session, Queue(session, own), plan(study), watcher, [], rechecks, tonight.inert
    )
    watcher.phase("search")
    await screening.controls(base)
    screening.plan = plan(study, session.pace())
    for candidate in (c for c in warm.first if c not in decided):
        await screening.screen(*own.fixed(candidate, "neighbour"))
    await screening.search()
    watcher.phase("shortlist")
    trials = await second_looks(screening, base, SHORTLIST)
    return Searched(trials, chosen(tonight, trials, resting))


def chosen(tonight: Tonight, trials: list[Trial], resting: Collection[str] = ()) -> Trial | None:
    """Return the trial to compare with what serves, None where none looks better.

    None that was decided about in this world, or is resting.
    """
    study, base = tonight.study, tonight.base
    left_out = {*tonight.ledger.closed(tonight.world), *resting}
    serves = next(t for t in reversed(trials) if t.candidate == base)
    better = [
        trial
        for trial in trials
        if trial.candidate != base
        and looks_better(study, trial, serves)
        and challenger_id(tonight, trial.candidate) not in left_out
    ]
    return next(iter(choose_finalists(study, better, base, 1)), None)


def _decided(tonight: Tonight) -> list[Candidate]:
    """Return what was compared with what serves to the end: it would only hide what is next."""
    closed = tonight.ledger.closed(tonight.world)
    met = [line for line in tonight.ledger.lines("met") if line["challenger"] in closed]
    ids = {line["challenger"]: line["candidate"] for line in met}
    return [c for id_, c in ids.items() if id_ == challenger_id(tonight, c)]


def looks_better(study: Study, trial: Trial, serves: Trial) -> bool:
    """Tell whether a trial may be proven, and looks better than what serves, by more than noise."""
    if not promising(study, trial, WORTH_A_LOOK):
        return False
    if trial.feasible and not serves.feasible:
        return True
    return trial.value - serves.value > -math.log1p(-FLOOR)


def challenger_id(tonight: Tonight, candidate: Candidate) -> str:
    """Return what tells a comparison from others: of whom with whom."""
    return digest([dict(candidate), dict(tonight.base), dict(tonight.serves.anchor or {})])
