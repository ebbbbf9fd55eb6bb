"""Which of the proposed candidates is measured next, and which need not be measured.

Where an engine tells what it will make of a candidate, each costs what its start costs: nothing
where its server runs, less where what it compiles is there. The one that is expected to bring most
a second comes next. Candidates that amount to the same are measured once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tuner.engines.base import Resolves
from tuner.search.propose import Proposal, Strategy
from tuner.search.trial import Trial
from tuner.search.worth import improvements
from tuner.spec.values import Candidate
from tuner.workflow.measuring.candidates import all_knobs
from tuner.workflow.measuring.session import Session

BATCH = 4
"""How many candidates are asked for at once; those that share an engine start follow each other."""

CHOICE = 12
"""How many candidates lie ready where starts cost differently, so that there is a choice."""

HERE = 8
"""How many of them need no start, as long as there are such."""

Known: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""What candidates that are served alike have in common: the server, and what requests carry."""


@dataclass(slots=True)
class Queue:
    """The proposals of a strategy that were not measured yet."""

    session: Session
    strategy: Strategy
    _waiting: list[Proposal] = field(default_factory=list)

    async def next(self, trials: Sequence[Trial]) -> Proposal | None:
        """Return the next candidate to measure, None where the space has nothing new."""
        await self._fill(trials)
        if not self._waiting:
            return None
        tells = isinstance(self.session.engine, Resolves)
        return self._waiting.pop(await self._most_worth(trials) if tells else 0)

    @property
    def empty(self) -> bool:
        """Tell whether all that was proposed is measured."""
        return not self._waiting

    async def takes(self, proposal: Proposal) -> bool:
        """Take a candidate that would cost a start of its own; tell whether it was taken.

        An engine that does not tell what a start costs has none that waits.
        """
        if not await self.session.until_served_s(proposal[1]):
            return False
        self._waiting.append(proposal)
        return True

    async def _fill(self, trials: Sequence[Trial]) -> None:
        tells = isinstance(self.session.engine, Resolves)
        if self._waiting and not tells:
            return
        batch = self.strategy.batch(BATCH, trials) if len(self._waiting) < CHOICE else []
        batch += await self._on_this_server(trials) if tells else []
        self._waiting += batch if tells else grouped(batch, self.session, trials)

    async def _on_this_server(self, trials: Sequence[Trial]) -> list[Proposal]:
        """Return candidates for the server that runs, where few that need no start lie ready."""
        served = next((t.candidate for t in reversed(trials) if t.samples), None)
        if served is None or await self.session.until_served_s(served) != 0:
            return []
        free = (await self._starts_s()).count(0.0)
        return self.strategy.beside(served, trials, max(HERE - free, 0))

    async def _most_worth(self, trials: Sequence[Trial]) -> int:
        """Return the place of the candidate that is expected to bring most a second."""
        space = self.session.study.space
        gains = improvements(space, trials, [candidate for _, candidate, _ in self._waiting])
        trial_s = self.session.pace().trial_s
        starts_s = await self._starts_s()
        worth = [g / (s + trial_s) for g, s in zip(gains, starts_s, strict=True)]
        return max(range(len(worth)), key=worth.__getitem__)

    async def _starts_s(self) -> list[float]:
        """Return for each candidate that waits the seconds that its start takes."""
        return [await self.session.until_served_s(c) or 0.0 for _, c, _ in self._waiting]


def grouped(batch: Sequence[Proposal], session: Session, trials: Sequence[Trial]) -> list[Proposal]:
    """Return a batch sorted so that candidates with the same restart and reload settings meet.

    Those that the engine already serves come first.
    """
    dear = [k.name for k in session.engine.knobs.values() if k.tier != "request"]

    def settings(candidate: Candidate) -> tuple[str, ...]:
        return tuple(str(candidate[name]) for name in dear)

    now = settings(trials[-1].candidate) if trials else ()
    return sorted(batch, key=lambda p: (settings(p[1]) != now, settings(p[1])))


async def served_alike(session: Session, candidate: Candidate) -> Known | None:
    """Return what all candidates have in common that are served as this one is.

    None where the engine does not tell, or refuses it.
    """
    resolved = await session.resolve(candidate)
    if resolved is None or resolved.identity is None:
        return None
    knobs = all_knobs(session.engine)
    carried = ((n, str(v)) for n, v in candidate.items() if knobs[n].tier == "request")
    return resolved.identity, tuple(sorted(carried))
