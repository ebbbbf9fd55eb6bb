"""What nights have shown of a challenger beside what serves, and what follows from it.

A challenger goes into service where everything is shown at its own share of the year's error: it
meets every target and floor, it is better beyond the noise floor or what serves no longer meets
its targets, and its answers are not worse than those of what serves, nor than those of the
version that a person last applied. So a wrong one has to be shown wrongly in one of these, which
has a chance of at most that share (an intersection-union test, Berger 1982). The two reasons for
which it may be needed share the error in halves: one of them is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tuner.spec.values import Verdict
from tuner.stats.signs import evidence_better

Outcome = Literal["better", "no better", "open"]

FLOOR = 0.03
"""The least gain that is one: a share by which a block has to be better to be won."""

HOPELESS = 0.05
"""Evidence that has fallen to this share of the stake is not waited for: it would have to be won
back before it counts again."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What all nights together say of a challenger.

    It won `won` and lost `lost` of the pairs of blocks, by more than FLOOR. `meets` is the verdict
    on its targets and floors, `not_worse` those on its answers beside others', by whose they are.
    `incumbent` is the verdict on the targets and floors of what serves. With `by_person` a person
    decides whether answers are good enough, so that only answers shown to be worse count.
    """

    won: int = 0
    lost: int = 0
    meets: Verdict = "UNDECIDED"
    not_worse: Mapping[str, Verdict] = field(default_factory=dict)
    incumbent: Verdict = "UNDECIDED"
    by_person: bool = False

    def outcome(self, alpha: float) -> Outcome:
        """Return what follows at an error of `alpha`, at which the verdicts were made as well.

        That of the incumbent was made at half of it.
        """
        verdicts = (self.meets, *self.not_worse.values())
        if alpha <= 0 or "FAIL" in verdicts:
            return "no better"
        needed = self.incumbent == "FAIL" or self.better(alpha / 2)
        shown = verdicts[:1] if self.by_person else verdicts
        if needed and all(verdict == "PASS" for verdict in shown):
            return "better"
        lost = self.incumbent != "FAIL" and self.e < HOPELESS
        return "no better" if lost else "open"

    @property
    def e(self) -> float:
        """Return the e-value for its being better beyond the noise floor."""
        return evidence_better(self.won, self.lost)

    @property
    def promising(self) -> bool:
        """Tell whether what is known speaks for it."""
        return self.e > 1

    def better(self, alpha: float) -> bool:
        """Tell whether it is shown to be better beyond the noise floor."""
        return self.e >= 1 / alpha
