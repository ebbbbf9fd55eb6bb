"""Find tonight's challenger, and compare it with what serves."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.evaluate.night import Challenger
from tuner.search.trial import Trial
from tuner.store.run_folder import claimed
from tuner.store.trial_folder import read_all
from tuner.workflow.measuring.session import Session
from tuner.workflow.nightly.asked import NotTonight
from tuner.workflow.nightly.comparing.challengers import (
    about,
    in_turn,
    met,
    nothing_to_show,
    sides_of,
)
from tuner.workflow.nightly.comparing.duel import Duel
from tuner.workflow.nightly.comparing.night_result import keep_requests, write_result
from tuner.workflow.nightly.comparing.repeatable import ensure_repeatable
from tuner.workflow.nightly.comparing.search import search
from tuner.workflow.nightly.comparing.tonight import Compared, Tonight


async def compare(tonight: Tonight) -> Compared:
    """Compare the challenger of earlier nights, or what a search finds; write the run's result.

    A challenger that is no better is closed in the ledger; one that is better once it was put into
    service, which goes on another night where this one is cut off before. Raises EngineError where
    nothing could be measured, Busy where production does not become calm,
    and NotTonight where nothing could be shown.
    """
    session = tonight.session(tonight.out, tonight.world.id, tonight.study.budget_s)
    waiting, trials = in_turn(tonight), list[Trial]()
    challenger = waiting[0].challenger if waiting and waiting[0].first else None
    if challenger is None and (why := nothing_to_show(tonight)) is None:
        await ensure_repeatable(tonight, session)
        searched = await search(tonight, session, {w.challenger.id for w in waiting})
        trials = list(searched.trials)
        if searched.chosen is not None:
            challenger = met(tonight, searched.chosen.candidate)
    elif challenger is None and not waiting:
        raise NotTonight(f"nothing could be promoted: {why}")
    if challenger is None and waiting:
        challenger = waiting[0].challenger
    if challenger is None:
        return Compared(tonight.world.id, trials)
    tonight.watcher.phase("comparison")
    tonight.watcher.note(
        f"challenger {challenger.number} of the year: {_changed(tonight, challenger)}"
    )
    compared = await _duel(tonight, session, challenger, trials)
    if compared.shows == "no better":
        why = compared.stopped or "shown to be no better"
        tonight.ledger.close(tonight.world.id, challenger, why)
    return compared


def _changed(tonight: Tonight, challenger: Challenger) -> str:
    now, base = challenger.candidate, tonight.base
    return ", ".join(f"{name}={now[name]}" for name in now if now[name] != base.get(name))


async def _duel(
    tonight: Tonight, session: Session, challenger: Challenger, trials: Sequence[Trial]
) -> Compared:
    """Go on with a comparison until something follows or the night is over."""
    folder = tonight.ledger.duel_folder(tonight.world, challenger)
    with claimed(folder, resume=folder.exists()):
        stored = read_all(folder)
        left_s = tonight.left_s(session)
        ours = tonight.session(folder, about(tonight, challenger), left_s, stored)
        sides, pace = sides_of(tonight, challenger), session.pace()
        duel = Duel.of(ours, sides, challenger.alpha, stored, pace)
        shows = await duel.until_decided(tonight.watcher.note)
        shown, stopped = duel.shown(), duel.stopped
        keep_requests(folder, tonight.out)
    compared = Compared(tonight.world.id, trials, challenger, shows, shown, stopped)
    if shown.measured["challenger"].n:
        write_result(tonight, session, duel, compared)
    return compared
