"""The case that research/workflow.md works out in section 6."""

from __future__ import annotations

from tuner.advice.diagnosis.causes.hypothesis import Hypothesis, Where
from tuner.advice.diagnosis.changes.proposal import Proposal
from tuner.advice.diagnosis.diagnose import Diagnosis
from tuner.advice.diagnosis.figures import Figures

CASE = Figures(
    p50=0.45, p99=1.2, input_tokens=150, output_tokens=40, gpu_util=0.35, context=4096,
    temperature=0.7, target_p99=0.5,
)  # fmt: skip


def cause(found: Diagnosis, name: str, where: Where = "slowest 1 %") -> Hypothesis:
    """Return a hypothesis by its cause."""
    return next(h for h in found.hypotheses if (h.cause, h.where) == (name, where))


def change(found: Diagnosis, name: str) -> list[Proposal]:
    """Return the proposals of a kind."""
    return [p for p in found.proposals if p.change == name]
