"""Compare a challenger with what serves: in pairs of blocks, on fresh prompts, in random order.

A pair goes on with the evidence of earlier nights. Each block has an engine start of its own, so
that neither side has the other's cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tuner.evaluate.duel import Outcome
from tuner.evaluate.lateness import Terms
from tuner.evaluate.measured import Measured
from tuner.search.budget import Pace, rhythm
from tuner.spec.requests.workload import visits
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Prompt
from tuner.stats.signs import wins_needed
from tuner.store.trial_folder import StoredTrial
from tuner.workflow.dueling.pairs import (
    Contestant,
    block_size,
    fresh_prompts,
    measure_pair,
    pair_s,
    stored_pairs,
)
from tuner.workflow.measuring.session import Session
from tuner.workflow.nightly.comparing.evidence import Shown, Side, shown

SPARE_PAIRS = 2
"""Pairs beyond those that an evident gain takes, over which the requests of a proof are spread."""

MOST_FAILURES = 2
"""So often may what serves fail to answer, before the comparison ends for the night."""


@dataclass(slots=True)
class Duel:
    """A comparison on its way, with the pairs of all nights by their number.

    `before` is the pace of what the night measured before it. `broken` says why nothing more can be
    compared tonight, and `failed` why the challenger cannot serve. What serves failed to answer so
    many times tonight (`failures`).
    """

    session: Session
    sides: Mapping[Side, Candidate]
    alpha: float
    pairs: dict[int, dict[Side, Measured]]
    before: Pace | None = None
    broken: str | None = None
    failed: str | None = None
    failures: int = 0
    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    @classmethod
    def of(
        cls,
        session: Session,
        sides: Mapping[Side, Candidate],
        alpha: float,
        stored: Sequence[StoredTrial],
        before: Pace | None = None,
    ) -> Duel:
        """Return a comparison that goes on with what earlier nights measured."""
        return cls(session, sides, alpha, stored_pairs(stored, sides), before)

    @property
    def stopped(self) -> str | None:
        """Return what ended the comparison early."""
        return self.failed or self.broken

    def shown(self) -> Shown:
        """Return what the pairs show."""
        starts = rhythm(self.session.study, self._pace()).starts
        return shown(
            self.session.study, self.sides, list(self.pairs.values()), Terms(self.alpha, starts)
        )

    async def until_decided(self, note: Callable[[str], None]) -> Outcome:
        """Measure pairs until something follows, or the time is over; return what follows."""
        n, now = block_of(self.session.study, self.alpha), self.shown()
        prompts = fresh_prompts(self.session.study, self._asked())
        while (found := self._followed(now)) == "open" and not self.broken and self._time_for(n):
            await self._measure(list(itertools.islice(prompts, n)))
            now = self.shown()
            note(_progress(now, len(self.pairs)))
        if found == "open" and not self.pairs:
            self.broken = _no_time(self._pair_s(n), self.session.left_s())
        return found

    def _followed(self, now: Shown) -> Outcome:
        """Return what follows; answers that stay open, whatever is asked, show nothing any more."""
        found = "no better" if self.failed else now.evidence.outcome(self.alpha)
        templates = self.session.study.workload.part(held_out=True)
        if (
            found == "open"
            and now.answers_open
            and self._asked() >= sum(visits(templates).values())
        ):
            self.failed = (
                f"all {len(templates)} held-out prompts were asked, and what their answers show is "
                "open; add some (`tune workload import`)"
            )
        return "no better" if self.failed else found

    def _asked(self) -> int:
        """Return how many prompts the challenger was asked."""
        return sum(len(p["challenger"].counted) for p in self.pairs.values() if "challenger" in p)

    def _time_for(self, n: int) -> bool:
        return self.session.left_s() > self._pair_s(n)

    def _pair_s(self, n: int) -> float:
        """Return how long a pair is expected to take."""
        return pair_s(self._pace(), len(self.sides), n)

    def _pace(self) -> Pace:
        """Return the measured pace, where anything was measured."""
        return (
            self.session.pace() if self.session.spent.blocks else self.before or self.session.pace()
        )

    async def _measure(self, prompts: list[Prompt]) -> None:
        """Measure a pair, its sides in random order."""
        number = max(self.pairs, default=0) + 1
        pair = self.pairs.setdefault(number, {})
        sides = {side: Contestant(self.session, who) for side, who in self.sides.items()}

        def take(side: Side, block: Measured) -> bool:
            if block.failed and self.session.left_s() > 0:
                self._note_failure(side, block.failed.splitlines()[0])
            if block.counted:
                pair[side] = block
            return not self.stopped

        await measure_pair(sides, number, prompts, self.rng, take)

    def _note_failure(self, side: Side, why: str) -> None:
        if side == "challenger":
            self.failed = why
            return
        self.failures += 1
        if self.failures >= MOST_FAILURES:
            self.broken = f"the {side} did not answer {self.failures} times ({why})"


def block_of(study: Study, alpha: float) -> int:
    """Return how many requests a block has: a proof takes as many pairs as an evident gain."""
    return block_size(study, alpha, wins_needed(alpha / 2) + SPARE_PAIRS)


def _no_time(takes_s: float, left_s: float) -> str:
    return (
        f"a pair of blocks takes about {takes_s:.0f} s, and {max(left_s, 0.0):.0f} s were left for "
        "it: give the night a larger --budget or --window"
    )


def _progress(found: Shown, pairs: int) -> str:
    evidence = found.evidence
    answers = ", ".join(f"not worse than {w}: {v}" for w, v in evidence.not_worse.items())
    return (
        f"pair {pairs}: won {evidence.won}, lost {evidence.lost} (e = {evidence.e:.3g}); targets "
        f"and floors: {evidence.meets}; {answers}"
    )
