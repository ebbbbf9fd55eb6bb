"""Whose turn it is among challengers, and whether a new one could be shown to be better."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.evaluate.night import Challenger
from tuner.spec.identity import digest
from tuner.spec.values import Candidate
from tuner.stats.paired import fewest_pairs
from tuner.stats.spending import MOST, YEAR, error_of
from tuner.store.trial_folder import read_all
from tuner.workflow.dueling.answers import margin_of
from tuner.workflow.nightly.comparing.duel import Duel
from tuner.workflow.nightly.comparing.evidence import Side
from tuner.workflow.nightly.comparing.search import challenger_id
from tuner.workflow.nightly.comparing.tonight import Tonight

PATIENCE = 3
"""Nights in a row for one challenger; then others have their turn, and its evidence is kept."""


def nothing_to_show(tonight: Tonight) -> str | None:
    """Return why nothing could be shown of a new challenger, None where it could.

    No error of the year is left, or there are too few prompts to show that answers are not worse.
    """
    study, margin = tonight.study, margin_of(tonight.study)
    there = study.workload.proof_templates
    alpha = error_of(tonight.ledger.next_number(tonight.world))
    if alpha <= 0:
        return (
            f"{MOST} challengers were compared within a year, and its error of {YEAR:.0%} is "
            "spent; let fewer nights begin, such as one a day"
        )
    if study.promote == "ask":
        return None
    if margin <= 0:
        return (
            "no number of answers shows that they are worse by less than guard.max_drop, which is "
            "0; allow more, or say promote: ask in the study"
        )
    if (least := fewest_pairs(margin, alpha)) > there:
        return (
            f"showing that answers are not worse by {margin:.0%} takes {least} held-out prompts or "
            f"more, the study has {there}; add some (`tune workload import`), allow more "
            "(guard.max_drop), or say promote: ask in the study"
        )
    return None


def met(tonight: Tonight, candidate: Candidate) -> Challenger:
    """Return a challenger, which is written down where it is met for the first time."""
    return tonight.ledger.met(tonight.world, challenger_id(tonight, candidate), candidate)


@dataclass(frozen=True, slots=True)
class Waiting:
    """An open challenger with its evidence, which had so many turns of PATIENCE nights.

    One that is `better` was shown to be so, and waits for its promotion.
    """

    challenger: Challenger
    e: float
    turns: int
    better: bool

    @property
    def first(self) -> bool:
        """Tell whether it comes before what a search may find: its first turn is not over yet."""
        return self.better or self.turns == 0


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
        outcome = evidence.outcome(known.alpha)
        if outcome == "better" or (outcome == "open" and evidence.promising):
            turns = tonight.ledger.nights_of(tonight.world, known) // PATIENCE
            found.append(Waiting(known, evidence.e, turns, outcome == "better"))
    return sorted(found, key=lambda w: (not w.better, w.turns, -w.e))


def _known(tonight: Tonight, challenger: Challenger) -> Duel:
    """Return a comparison with what earlier nights measured, which cannot measure more."""
    folder = tonight.ledger.duel_folder(tonight.world, challenger)
    stored = read_all(folder)
    session = tonight.session(folder, about(tonight, challenger), 0.0, stored)
    return Duel.of(session, sides_of(tonight, challenger), challenger.alpha, stored)


def sides_of(tonight: Tonight, challenger: Challenger) -> dict[Side, Candidate]:
    """Return who is compared, by side."""
    sides: dict[Side, Candidate] = {
        "challenger": challenger.candidate, "incumbent": tonight.base,
    }  # fmt: skip
    if tonight.serves.anchor is not None:
        sides["anchor"] = tonight.serves.anchor
    return sides


def about(tonight: Tonight, challenger: Challenger) -> str:
    """Return the digest of what a comparison is about, which its requests name."""
    return digest([tonight.world.id, challenger.id])
