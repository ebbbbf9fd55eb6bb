"""The baseline, measured again now and then, so that a machine that changes its pace shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from tuner.evaluate.result import BaselineDrift
from tuner.search.trial import Trial
from tuner.spec.values import Candidate, Metric, Sample
from tuner.spec.workload import Supply
from tuner.stats.noise import LEAST_BLOCKS, drift
from tuner.stats.quantiles import quantile
from tuner.store.trial_folder import KeptTrial, Place
from tuner.workflow.measuring.session import Session

REQUESTS = 10

SHARE = 0.03
"""The share of the time so far that it may take: one look in a search of five minutes."""

SLOW = 2.0
"""A look is cut when it takes so many times its expected time."""


@dataclass(slots=True)
class Recheck:
    """Looks at the baseline while the search goes on; `looks` holds what each brought."""

    session: Session
    base: Candidate
    looks: list[tuple[Sample, ...]] = field(default_factory=list)

    @classmethod
    def of(cls, session: Session, base: Candidate, kept: Sequence[KeptTrial]) -> Recheck:
        """Return it with the looks of an earlier part of the run."""
        looks = [k.measured.kept for k in kept if k.place.phase == "recheck"]
        return cls(session, base, looks)

    async def when_due(self) -> None:
        """Measure the baseline on fresh prompts if what that takes is little beside the rest.

        A run that stops at its first proof is too short to look.
        """
        pace, began_s = self.session.pace(), self.session.elapsed_s()
        look_s = (REQUESTS + pace.warmups) * pace.request_s + pace.restart_s
        number, study = len(self.looks) + 1, self.session.study
        if study.stop_when_met or number * look_s > SHARE * began_s:
            return
        until_s = began_s + SLOW * look_s
        prompts = Supply(study.workload, held_out=False, seed=study.seed).prompts(20_000 + number)
        measured = await self.session.measure(
            self.base, prompts, f"recheck-{number}", Place("recheck"), n=REQUESTS,
            stop=lambda sample: self.session.elapsed_s() >= until_s,
        )  # fmt: skip
        self.looks.append(measured.kept)


def drifted(
    base: Candidate,
    trials: Sequence[Trial],
    looks: Sequence[Sequence[Sample]],
    proof: Sequence[Sequence[Sample]],
) -> BaselineDrift | None:
    """Return how the baseline's pace moved over its blocks, None where there are too few.

    The blocks are its trial in the search, the looks at it, and its blocks in the proof. They
    asked different prompts, so the time per output token is looked at, which depends on them
    least; the time to first token where answers have no more than one token.
    """
    screened = [t.samples[: t.planned] for t in trials if t.candidate == base]
    blocks = [block for block in (*screened, *looks, *proof) if block]
    if len(blocks) < LEAST_BLOCKS:
        return None
    metric: Metric = "tpot" if all(map(_decoded, blocks)) else "ttft"
    values = [[s.latency_s(metric) for s in block] for block in blocks]
    found = drift(values, lambda v: quantile(v, 0.5))
    return BaselineDrift(metric, found) if found else None


def _decoded(block: Sequence[Sample]) -> bool:
    """Tell whether most answers have more than one token, and the length of all is known."""
    several = sum((s.output_tokens or 0) > 1 for s in block) > len(block) / 2
    return several and not any(math.isnan(s.latency_s("tpot")) for s in block)
