"""Use the time that is left: prove a better second, and search on where the budget is larger.

Each finalist of the whole run, continued or not, spends its own error once: together 5 %.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tuner.search.budget import Plan
from tuner.search.error import MAX_FINALISTS
from tuner.search.trial import Trial
from tuner.spec.study import Study
from tuner.workflow.tune.proving.prove_finalists import Finalists, next_needs_s
from tuner.workflow.tune.searching.queue import BATCH


def used_up(study: Study) -> str:
    """Say that no further candidate can be proven, since the error is spent."""
    return (
        f"the error of {100 * study.error:.3g} % is spent on {MAX_FINALISTS} finalists, so that no "
        "further candidate can be proven in this run: name another --out for a new one"
    )


@dataclass(slots=True)
class Continuation:
    """What an earlier part of the run had; `words` say what came after it.

    `trials_before` are the numbers of its trials, `sides_before` and `requests_before` count its
    finalists and what was sent to them.
    """

    finalists: Finalists
    trials_before: Collection[int]
    sides_before: int
    requests_before: int
    began_s: float
    words: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, finalists: Finalists, trials: Sequence[Trial]) -> Continuation:
        """Return the continuation of a run that has these trials and finalists now."""
        numbers, now_s = {t.number for t in trials}, finalists.session.elapsed_s()
        return cls(finalists, numbers, len(finalists.sides), finalists.requests, now_s)

    def _say(self, text: str) -> None:
        """Note what a continued run does; a new run notes nothing."""
        if self.sides_before:
            self.words.append(text)
            self.finalists.watcher.note(f"continued: {text}")

    def new_trials(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return the trials that the earlier part did not have."""
        return [t for t in trials if t.number not in self.trials_before]

    def may_search(self, plan: Plan) -> bool:
        """Tell whether to search: there is no finalist yet, or the new budget has time for it."""
        if not self.finalists.sides:
            return True
        if self.finalists.next_index >= MAX_FINALISTS:
            self._say(used_up(self.finalists.session.study))
            return False
        return plan.search_s - self.finalists.session.elapsed_s() >= BATCH * plan.trial_s

    def may_prove(self, trials: Sequence[Trial]) -> bool:
        """Tell whether to look for a better second; it takes new trials in a continued run."""
        return not self.sides_before or bool(self.new_trials(trials))

    def say_searched(self, trials: Sequence[Trial]) -> None:
        """Note how much a continued run searched."""
        took_s = self.finalists.session.elapsed_s() - self.began_s
        self._say(f"{len(self.new_trials(trials))} more trials in {took_s:.0f} s of searching")

    def say_proved(self) -> None:
        """Note how many requests the proof of an earlier finalist took."""
        more = self.finalists.requests - self.requests_before
        if more:
            self._say(f"{more} more requests for the proof")

    async def prove_better(self, trials: Sequence[Trial]) -> None:
        """Prove trials that promise more than what is proven, while time and error last."""
        finalists, session = self.finalists, self.finalists.session
        while (pick := finalists.better_second(trials)) is not None:
            if finalists.next_index >= MAX_FINALISTS:
                self._say(used_up(self.finalists.session.study))
                return
            if session.left_s() < next_needs_s(session.study, pick, finalists.next_index):
                self._say(f"no time was left to prove trial {pick.number}")
                return
            await finalists.prove(pick, trials)
            self._say(_proof_in_words(pick, finalists))
        self._say("no other trial promises more than what is proven")


def _proof_in_words(pick: Trial, finalists: Finalists) -> str:
    """Say what came of the last proof."""
    verdict = finalists.measured[-1].verdict
    alpha = finalists.alpha(len(finalists.measured) - 1)
    return (
        f"trial {pick.number} promised more than what was proven, and its proof as finalist "
        f"{finalists.next_index} (error {alpha:.2%}) is {verdict}"
    )
