"""What is done with time that is left: a better second is proven, and a larger budget searches on.

Each finalist of the whole run, continued or not, spends its own error once: together 5 %.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tuner.search.budget import MAX_FINALISTS, Plan
from tuner.search.trial import Trial
from tuner.spec.values import Candidate
from tuner.workflow.measuring.session import Session
from tuner.workflow.tune.finalists import Proof, begin, better_second, next_needs_s
from tuner.workflow.tune.screening import BATCH, Watcher

USED_UP = (
    f"the error of 5 % is spent on {MAX_FINALISTS} finalists, so that no further candidate can be "
    "proven in this run: name another --out for a new one"
)


@dataclass(slots=True)
class Further:
    """The trials and finalists of an earlier part of the run, and in words what came after it."""

    watcher: Watcher
    before: Collection[int]
    finalists: int
    requests: int
    began_s: float
    words: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, session: Session, trials: Sequence[Trial], proof: Proof, watcher: Watcher
    ) -> Further:
        """Return it for a run that is about to go on."""
        numbers, now_s = {t.number for t in trials}, session.elapsed_s()
        return cls(watcher, numbers, len(proof.sides), _requests(proof), now_s)

    def _say(self, text: str) -> None:
        """Say what a continued run does; one that is not has nothing that it went on with."""
        if self.finalists:
            self.words.append(text)
            self.watcher.note(f"continued: {text}")

    def fresh(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return the trials that the earlier part did not have."""
        return [t for t in trials if t.number not in self.before]

    def may_search(self, session: Session, plan: Plan, proof: Proof) -> bool:
        """Tell whether to search: nobody is proven yet, or the new budget has time for it."""
        if not proof.sides:
            return True
        if proof.turn >= MAX_FINALISTS:
            self._say(USED_UP)
            return False
        return plan.search_s - session.elapsed_s() >= BATCH * plan.trial_s

    def may_prove(self, trials: Sequence[Trial]) -> bool:
        """Tell whether a second may be looked for: not again where nothing new was measured."""
        return not self.finalists or bool(self.fresh(trials))

    def searched(self, session: Session, trials: Sequence[Trial]) -> None:
        """Say what was searched with finalists there already."""
        took_s = session.elapsed_s() - self.began_s
        self._say(f"{len(self.fresh(trials))} more trials in {took_s:.0f} s of searching")

    def proved(self, proof: Proof) -> None:
        """Say what was sent to prove the finalist that was there already."""
        more = _requests(proof) - self.requests
        if more:
            self._say(f"{more} more requests for the proof")

    async def prove_better(
        self, session: Session, trials: Sequence[Trial], base: Candidate, proof: Proof
    ) -> None:
        """Prove what promises more than what is proven, best first, while time and error last."""
        while (pick := better_second(session, trials, base, proof)) is not None:
            if proof.turn >= MAX_FINALISTS:
                self._say(USED_UP)
                return
            if session.left_s() < next_needs_s(session.study, pick, proof.turn):
                self._say(f"no time was left to prove trial {pick.number}")
                return
            await begin(session, pick, trials, base, proof, self.watcher)
            self._say(_proof_in_words(pick, proof))
        self._say("no other trial promises more than what is proven")


def _requests(proof: Proof) -> int:
    return sum(len(side.measured) for side in proof.sides)


def _proof_in_words(pick: Trial, proof: Proof) -> str:
    verdict, alpha = proof.measured[-1].verdict, proof.alpha(len(proof.measured) - 1)
    return (
        f"trial {pick.number} promised more than what was proven, and its proof as finalist "
        f"{proof.turn} (error {alpha:.2%}) is {verdict}"
    )
