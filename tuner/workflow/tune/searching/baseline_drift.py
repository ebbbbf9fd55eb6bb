"""Measure the baseline again now and then, which shows whether the machine changes its pace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from tuner.search.result import BaselineDrift
from tuner.search.trial import Trial
from tuner.spec.requests.workload import Supply
from tuner.spec.values import Candidate, Metric, Sample
from tuner.stats.noise import LEAST_BLOCKS, drift
from tuner.stats.quantiles import quantile
from tuner.store.trial_folder import Place, StoredTrial
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import TrialSpec

REQUESTS = 10

SHARE = 0.03
"""The share of the time so far that rechecks may take: one in a search of five minutes."""

SLOW = 2.0
"""A recheck is cut when it takes so many times its expected time."""


@dataclass(slots=True)
class BaselineRechecks:
    """Measures the baseline again while the search goes on; `blocks` holds what each brought."""

    session: Session
    base: Candidate
    blocks: list[tuple[Sample, ...]] = field(default_factory=list)

    @classmethod
    def of(
        cls, session: Session, base: Candidate, stored: Sequence[StoredTrial]
    ) -> BaselineRechecks:
        """Return the rechecks of a run, those of an earlier part included."""
        blocks = [t.measured.counted for t in stored if t.place.phase == "recheck"]
        return cls(session, base, blocks)

    async def when_due(self) -> None:
        """Measure the baseline on fresh prompts, if that takes a small share of the time so far.

        A run that stops at its first proof is too short for it.
        """
        pace, began_s = self.session.pace(), self.session.elapsed_s()
        takes_s = (REQUESTS + pace.warmups) * pace.request_s + pace.restart_s
        number, study = len(self.blocks) + 1, self.session.study
        if study.stop_when_met or number * takes_s > SHARE * began_s:
            return
        until_s = began_s + SLOW * takes_s
        prompts = Supply(study.workload, held_out=False, seed=study.seed).prompts(20_000 + number)
        spec = TrialSpec(
            f"recheck-{number}", Place("recheck"), prompts, REQUESTS,
            stop=lambda sample: self.session.elapsed_s() >= until_s,
        )  # fmt: skip
        measured = await self.session.measure(self.base, spec)
        self.blocks.append(measured.counted)


def drifted(
    base: Candidate,
    trials: Sequence[Trial],
    rechecks: Sequence[Sequence[Sample]],
    proof: Sequence[Sequence[Sample]],
) -> BaselineDrift | None:
    """Return how the baseline's pace moved over its blocks, None where there are too few.

    The blocks are its trial in the search, its rechecks, and its blocks in the proof. They asked
    different prompts, so the time per output token is compared, which depends on prompts least;
    where answers have at most one token, the time to first token.
    """
    screened = [t.samples[: t.planned] for t in trials if t.candidate == base]
    blocks = [block for block in (*screened, *rechecks, *proof) if block]
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
