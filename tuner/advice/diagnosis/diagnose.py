"""Diagnose a service by its figures: what the time goes on, what is open, what would help."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tuner.advice.diagnosis.causes import slowest, usual, waiting
from tuner.advice.diagnosis.causes.hypothesis import WHOLE, Hypothesis
from tuner.advice.diagnosis.changes.effect import World, may_be_none, reach
from tuner.advice.diagnosis.changes.larger import larger
from tuner.advice.diagnosis.changes.needed import Needed, needed
from tuner.advice.diagnosis.changes.proposal import WEIGHTS, Names, Proposal, Untold
from tuner.advice.diagnosis.changes.quick import quick
from tuner.advice.diagnosis.figures import Figures, checked
from tuner.advice.diagnosis.parts import Parts, parts_of
from tuner.advice.diagnosis.scenarios import Scenario, scenarios, variation
from tuner.advice.span import Span

STRETCHED = 1.5
"""From a p99 of so many p50s on it is the slowest requests that a target is about."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What figures say of a service.

    `bottleneck` is the hypothesis that accounts best for the latency that the target is about,
    None where no figure says; `rivals` are those that the figures cannot tell from it. `decides`
    is the one measurement that would, None where nothing is open, with the command for it.
    """

    found: Figures
    parts: Parts
    scenarios: tuple[Scenario, ...]
    hypotheses: tuple[Hypothesis, ...]
    bottleneck: Hypothesis | None
    rivals: tuple[Hypothesis, ...]
    decides: str | None
    decides_by: str
    needed: Needed | None
    proposals: tuple[Proposal, ...]
    untold: tuple[Untold, ...]
    notes: tuple[str, ...]


def diagnose(
    given: Figures, names: Names | None = None, remarks: tuple[str, ...] = ()
) -> Diagnosis:
    """Diagnose a service; raise InputError for figures that cannot be true together.

    `remarks` say where the figures come from, and become its first notes.
    """
    found, called = checked(given), names or Names()
    parts = parts_of(found)
    cv = variation(found, parts)
    every = scenarios(found, cv)
    world = World(found, parts, every)
    hypotheses = _hypotheses(found, parts, waiting.queue(found, every, cv), cv)
    first, rivals = _bottleneck(hypotheses, found)
    told = [*quick(world, called), *larger(world, called)]
    return Diagnosis(
        found=found,
        parts=parts,
        scenarios=every,
        hypotheses=hypotheses,
        bottleneck=first,
        rivals=rivals,
        decides=_decides(first, rivals, hypotheses),
        decides_by=f"tune measure {called.study} --requests {called.requests} --out out/as-it-is",
        needed=needed(world),
        proposals=_ordered((p for p in told if isinstance(p, Proposal)), found),
        untold=tuple(u for u in told if isinstance(u, Untold)),
        notes=(*remarks, *_notes(found)),
    )


def _hypotheses(
    found: Figures, parts: Parts, queue: Hypothesis, cv: Span
) -> tuple[Hypothesis, ...]:
    explained = "a queue" if queue.standing == "likely" else None
    prompts = slowest.long_prefill(found)
    every = (
        queue,
        slowest.output_length(found, parts),
        *((prompts,) if prompts else ()),
        slowest.reload(found),
        slowest.cache_misses(found, parts),
        slowest.tail_noise(found, explained),
        usual.decode(found, parts),
        usual.prefill(found, parts),
        waiting.usual_queue(found, cv, usual.left_over(found, parts)),
        usual.network(found, parts),
        usual.memory(found),
    )
    return tuple(slowest.nothing_slow(found, one) for one in every)


def _bottleneck(
    hypotheses: tuple[Hypothesis, ...], found: Figures
) -> tuple[Hypothesis | None, tuple[Hypothesis, ...]]:
    """Return what accounts best for the requests in question, and who might as well."""
    slow = found.p50 is not None and found.p99 is not None and found.p99 >= STRETCHED * found.p50
    whole = (found.gap if slow else found.p50) or 0.0
    there = [h for h in hypotheses if h.open and (h.where == "slowest 1 %") == slow]
    there.sort(key=lambda h: (h.standing != "likely", -(h.accounts.likely if h.accounts else 0.0)))
    if not there:
        return None, ()
    first, *others = there
    rivals = (h for h in others if h.accounts is None or h.accounts.high >= WHOLE * whole)
    return first, tuple(rivals)


def _decides(
    first: Hypothesis | None, rivals: tuple[Hypothesis, ...], every: tuple[Hypothesis, ...]
) -> str | None:
    """Say what has to be recorded of each request, and what it would show; None for nothing.

    What is unknown is open as well, as long as nothing is likely.
    """
    unknown = [h for h in every if h.standing == "unknown"]
    if first is None:
        asked = unknown
    elif first.standing == "likely":
        asked = [first, *rivals]
    else:
        asked = [first, *rivals, *(h for h in unknown if h.where == first.where)]
    if len(asked) == 1 and first is not None:
        return None
    records = "; ".join(dict.fromkeys(h.records for h in asked))
    signs = "; ".join(dict.fromkeys(f"{h.cause} if {h.sign}" for h in asked if h.sign))
    whose = "the slowest 1 % tell" if first and first.where == "slowest 1 %" else "they tell"
    return f"record of each request: {records}" + (f". Then {whose}: {signs}" if signs else "")


def _ordered(proposals: Iterable[Proposal], found: Figures) -> tuple[Proposal, ...]:
    """Return proposals in order of effect per effort: the part that is saved over the weight."""
    judged = [_judged(p, found) for p in proposals]
    return tuple(sorted(judged, key=lambda p: (-p.gain / WEIGHTS[p.effort], WEIGHTS[p.effort])))


def _judged(proposal: Proposal, found: Figures) -> Proposal:
    """Return a proposal with its gain, whether it reaches the target, or may have no effect."""
    after, now = (proposal.p99, found.p99) if proposal.p99 else (proposal.p50, found.p50)
    remarks = proposal.remarks
    if after is None or not now:
        return proposal
    if after.low == after.high:
        remarks = ("no effect on the whole time of a request", *remarks)
    elif may_be_none(after, now):
        remarks = ("the range contains no effect", *remarks)
    return replace(
        proposal, remarks=remarks, gain=max(0.0, 1 - after.likely / now),
        reach=reach(proposal.p99, found.target_p99),
    )  # fmt: skip


def _notes(found: Figures) -> Iterable[str]:
    if found.gpu_util is not None:
        yield (
            f"GPU utilisation of {found.gpu_util:.0%} is the share of time in which some kernel "
            "ran: it is neither how much of the bandwidth is used nor the load of the server"
        )
    if found.slots is None:
        yield "one slot is assumed, as Ollama starts with; say --parallel N otherwise"
    if found.p99 is None:
        yield "without p99 nothing is said of the slowest requests"
    if found.in_flight is None:
        yield (
            "a study that tests this sends as users do: an open loop (workload.load.rate), in "
            "which requests come by themselves"
        )
    if found.target_p99 and found.p99 and found.p99 <= found.target_p99:
        yield "p99 is within the target as it is"
    if found.target_p99 is None:
        yield "without a target nothing is said of whether a change is enough"
