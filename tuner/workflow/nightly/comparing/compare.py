"""Find tonight's challenger, and compare it with what serves."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tuner.evaluate.duel import Outcome as Shows
from tuner.evaluate.night import Challenger
from tuner.search.budget import plan
from tuner.search.trial import Trial
from tuner.spec.identity import digest
from tuner.spec.values import Candidate
from tuner.stats.paired import fewest_pairs
from tuner.stats.spending import MOST, YEAR, error_of
from tuner.store.run_folder import claimed, writing
from tuner.store.trial_folder import read_all
from tuner.workflow.measuring.session import Session
from tuner.workflow.nightly.asked import NotTonight
from tuner.workflow.nightly.comparing.duel import Duel
from tuner.workflow.nightly.comparing.evidence import Shown, Side, margin_of
from tuner.workflow.nightly.comparing.search import challenger_id, search
from tuner.workflow.nightly.comparing.tonight import Tonight
from tuner.workflow.tune.conclude import Finished, conclude
from tuner.workflow.tune.proving.proof import Side as ProofSide
from tuner.workflow.tune.proving.prove_finalists import Finalists
from tuner.workflow.tune.run import write

PATIENCE = 3
"""Nights in a row for one challenger; then others have their turn, and its evidence is kept."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a night measured: the search's trials, and what a comparison shows.

    `world` is that of the night. `challenger` is None where nothing looked better than what serves.
    `stopped` says what ended the comparison early.
    """

    world: str
    trials: Sequence[Trial]
    challenger: Challenger | None = None
    shows: Shows | None = None
    shown: Shown | None = None
    stopped: str | None = None

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many trials of the search ended in each way."""
        return Counter(trial.state for trial in self.trials)


async def compare(tonight: Tonight) -> Compared:
    """Compare the challenger of earlier nights, or what a search finds; write the run's result.

    A challenger that is no better is closed in the ledger; one that is better once it was put into
    service, which goes on another night where this one is cut off before. Raises EngineError where
    nothing could be measured, Busy where production does not become calm,
    and NotTonight where nothing could be shown.
    """
    session = tonight.session(tonight.out, tonight.world.id, tonight.study.budget_s)
    waiting, trials = in_turn(tonight), list[Trial]()
    challenger = waiting[0].challenger if waiting and waiting[0].fresh else None
    if challenger is None:
        _ensure_can_be_shown(tonight)
        searched = await search(tonight, session, {w.challenger.id for w in waiting})
        trials = list(searched.trials)
        if searched.chosen is not None:
            challenger = _met(tonight, searched.chosen.candidate)
        elif waiting:
            challenger = waiting[0].challenger
        else:
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


def _ensure_can_be_shown(tonight: Tonight) -> None:
    """Raise NotTonight where nothing could be shown of a new challenger.

    No error of the year is left, or there are too few prompts to show that answers are not worse.
    """
    study, margin = tonight.study, margin_of(tonight.study)
    there = study.workload.proof_templates
    alpha = error_of(tonight.ledger.next_number(tonight.world))
    if alpha <= 0:
        raise NotTonight(
            f"nothing could be promoted: {MOST} challengers were compared within a year, and its "
            f"error of {YEAR:.0%} is spent; let fewer nights begin, such as one a day"
        )
    if study.promote == "ask":
        return
    if margin <= 0:
        raise NotTonight(
            "nothing could be promoted: no number of answers shows that they are worse by less "
            "than guard.max_drop, which is 0; allow more, or say promote: ask in the study"
        )
    if (least := fewest_pairs(margin, alpha)) > there:
        raise NotTonight(
            f"nothing could be promoted: showing that answers are not worse by {margin:.0%} takes "
            f"{least} held-out prompts or more, the study has {there}; add some (`tune workload "
            "import`), allow more (guard.max_drop), or say promote: ask in the study"
        )


def _changed(tonight: Tonight, challenger: Challenger) -> str:
    now, base = challenger.candidate, tonight.base
    return ", ".join(f"{name}={now[name]}" for name in now if now[name] != base.get(name))


def _met(tonight: Tonight, candidate: Candidate) -> Challenger:
    return tonight.ledger.met(tonight.world, challenger_id(tonight, candidate), candidate)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An open challenger with its evidence, which had so many turns of PATIENCE nights."""

    challenger: Challenger
    e: float
    turns: int

    @property
    def fresh(self) -> bool:
        """Tell whether its first turn is not over yet."""
        return self.turns == 0


def in_turn(tonight: Tonight) -> list[Waiting]:
    """Return the open challengers that speak for themselves, who is next first.

    Those with the fewest turns come first, then those with the most evidence. One that is late
    about as often as its target is hardly ever decided about, and must not keep all others out.
    """
    found = []
    for known in tonight.ledger.open_challengers(tonight.world):
        if known.id != challenger_id(tonight, known.candidate) or known.alpha <= 0:
            continue  # it was compared with something else, or no error is left
        evidence = _known(tonight, known).shown().evidence
        if evidence.promising and evidence.outcome(known.alpha) != "no better":
            nights = tonight.ledger.nights_of(tonight.world, known)
            found.append(Waiting(known, evidence.e, nights // PATIENCE))
    return sorted(found, key=lambda waiting: (waiting.turns, -waiting.e))


def _known(tonight: Tonight, challenger: Challenger) -> Duel:
    """Return a comparison with what earlier nights measured, which cannot measure more."""
    folder = tonight.ledger.duel_folder(tonight.world, challenger)
    stored = read_all(folder)
    session = tonight.session(folder, _about(tonight, challenger), 0.0, stored)
    return Duel.of(session, _sides(tonight, challenger), challenger.alpha, stored)


def _sides(tonight: Tonight, challenger: Challenger) -> dict[Side, Candidate]:
    sides: dict[Side, Candidate] = {
        "challenger": challenger.candidate, "incumbent": tonight.base,
    }  # fmt: skip
    if tonight.serves.anchor is not None:
        sides["anchor"] = tonight.serves.anchor
    return sides


def _about(tonight: Tonight, challenger: Challenger) -> str:
    return digest([tonight.world.id, challenger.id])


async def _duel(
    tonight: Tonight, session: Session, challenger: Challenger, trials: Sequence[Trial]
) -> Compared:
    """Go on with a comparison until something follows or the night is over."""
    folder = tonight.ledger.duel_folder(tonight.world, challenger)
    with claimed(folder, resume=folder.exists()):
        stored = read_all(folder)
        left_s = tonight.left_s(session)
        ours = tonight.session(folder, _about(tonight, challenger), left_s, stored)
        sides, pace = _sides(tonight, challenger), session.pace()
        duel = Duel.of(ours, sides, challenger.alpha, stored, pace)
        shows = await duel.until_decided(tonight.watcher.note)
        shown, stopped = duel.shown(), duel.stopped
        _keep_requests(folder, tonight.out)
    compared = Compared(tonight.world.id, trials, challenger, shows, shown, stopped)
    if shown.measured["challenger"].n:
        _write(tonight, session, duel, compared)
    return compared


def _keep_requests(folder: Path, out: Path) -> None:
    """Copy the requests of a comparison into the night's run, whose result rests on them."""
    with writing(out):
        shutil.copytree(folder / "trials", out / "trials", dirs_exist_ok=True)


def _write(tonight: Tonight, session: Session, duel: Duel, compared: Compared) -> None:
    """Write the result of the night's run, with the files of the challenger."""
    assert compared.shown is not None
    beat = plan(tonight.study, session.pace())
    base = _proof_side(duel, "incumbent", "baseline")
    number = _trial_number(compared)
    finalists = Finalists(
        session, tonight.watcher, beat.rhythm, base,
        [replace(_proof_side(duel, "challenger", "finalist-1"), trial_number=number)],
        [compared.shown.measured["challenger"]],
    )  # fmt: skip
    finished = Finished(
        finalists,
        compared.trials,
        beat,
        inert=tonight.inert,
        shown_better=compared.shows == "better",
    )
    write(conclude(finished))


def _proof_side(duel: Duel, side: Side, name: str) -> ProofSide:
    """Return a side as that of a proof, whose blocks are all measured."""
    found = ProofSide(duel.sides[side], name, lambda: iter(()))
    for pair in duel.pairs.values():
        if side in pair:
            found.add(pair[side])
    return found


def _trial_number(compared: Compared) -> int | None:
    assert compared.challenger is not None
    same = (t.number for t in compared.trials if t.candidate == compared.challenger.candidate)
    return next(same, None)
