"""What is unwise about the lengths that prompts tell of themselves and want of their answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuner.spec.knobs import Knob, name_of, value_of
from tuner.spec.requests.workload import Workload
from tuner.spec.values import Candidate


def about_lengths(workload: Workload, knobs: Mapping[str, Knob], base: Candidate) -> Iterator[str]:
    """Yield what the baseline does not hold, and that lengths are estimates where they are."""
    yield from _above_limit(workload, knobs, base)
    yield from _above_context(workload, knobs, base)
    estimated = sum(t.counted_by == "estimate" for t in workload.templates)
    if estimated:
        yield (
            f"the lengths of {estimated} prompts are estimates: `tune workload import --study` "
            "counts as the model does"
        )


def _above_limit(workload: Workload, knobs: Mapping[str, Knob], base: Candidate) -> Iterator[str]:
    limit = value_of(knobs, "limit", base)
    wanted = [t.output_tokens for t in workload.templates if t.output_tokens is not None]
    if not isinstance(limit, int | float) or limit < 1:
        return
    if cut := sum(n > limit for n in wanted):
        name = name_of(knobs, "limit")
        yield (
            f"{cut} of {len(wanted)} answers are to be longer than {name} {limit} lets them be: "
            f"they count as truncated; set {name} to {max(wanted)} or more in the baseline"
        )


def _above_context(workload: Workload, knobs: Mapping[str, Knob], base: Candidate) -> Iterator[str]:
    context = value_of(knobs, "context", base)
    told = [t for t in workload.templates if t.prompt_tokens is not None]
    takes = [(t.prompt_tokens or 0) + (t.output_tokens or 0) for t in told]
    if not isinstance(context, int | float) or context < 1:
        return
    if long := sum(n > context for n in takes):
        name = name_of(knobs, "context")
        yield (
            f"{long} of {len(takes)} prompts take more tokens than {name} {context} holds, with "
            f"the answers that they want: set {name} to {max(takes)} or more in the baseline, or "
            "import the recording with --max-input"
        )
