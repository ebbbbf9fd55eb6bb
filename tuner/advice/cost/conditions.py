"""Under which conditions a strategy does what its figures say, in sentences made from them."""

from __future__ import annotations

from collections.abc import Iterator

from tuner.advice.cost.compared import Compared, Costed, Outcome
from tuner.advice.ranges import scaled
from tuner.advice.span import Span

GB = 1e9


def of_today(found: Compared) -> tuple[str, ...]:
    """Return what holds for what serves today."""
    return (*_memory(found.today), *_files(found.today), *_carries(found.today, found))


def of_strategy(outcome: Outcome, found: Compared) -> tuple[str, ...]:
    """Return what holds for a strategy: memory, files, instances, and what it saves by itself."""
    changed = {*outcome.strategy.changed}
    said = [
        *(_memory(outcome.costed) if changed & {"format", "gpu", "params"} else ()),
        *(_files(outcome.costed) if changed & {"format", "engine"} else ()),
        *_carries(outcome.costed, found),
        *_price(outcome),
        *_same_bill(outcome, found),
        *_cache(outcome, found),
        *outcome.quality.sentences,
    ]
    return tuple(said + ([f"{outcome.strategy.note}."] if outcome.strategy.note else []))


def between(span: Span, digits: int = 1, unit: str = "") -> str:
    """Return a range as people write it, one number where both ends look alike."""
    low, high = f"{span.low:,.{digits}f}", f"{span.high:,.{digits}f}"
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def whole(span: Span) -> str:
    """Return a range of counts, rounded to two digits, or to three where it is one figure."""
    if span.low == span.high:
        return f"{float(f'{span.low:.3g}'):,.0f}"
    low, high = (float(f"{v:.2g}") for v in (span.low, span.high))
    return f"{low:,.0f}" if low == high else f"{low:,.0f} to {high:,.0f}"


def _memory(costed: Costed) -> Iterator[str]:
    hardware, needed = costed.setup.hardware, costed.memory
    if needed is None:
        return
    takes = f"Needs {between(scaled(needed.needed, 1 / GB))} GB"
    if hardware is None:
        yield f"{takes} of memory; what there is was not said (--gpu)."
        return
    there = f"the {hardware.memory_bytes / GB:,.0f} GB of {hardware.name}"
    yield f"{takes} of {there}: {costed.fit}."


def _files(costed: Costed) -> Iterator[str]:
    format_, takes = costed.setup.format, costed.setup.takes
    if costed.taken is not False or format_ is None or takes is None:
        return
    like = [format_.like[files] for files in takes.files if files in format_.like]
    instead = f"; what comes nearest there is {' or '.join(like)}" if like else ""
    remark = f" ({takes.remark})" if takes.remark else ""
    yield f"{takes.engine} does not take {format_.name}, a {format_.files} format{remark}{instead}."


def _carries(costed: Costed, found: Compared) -> Iterator[str]:
    pace, used = costed.pace, costed.cost.used
    if pace is None or used is None:
        yield "That one instance carries the rate is assumed: its capacity is unknown."
        return
    if not pace.whole and costed.setup.hardware is not None:
        yield (
            f"Reading a prompt of {found.demand.input_tokens:g} tokens is left out, as the FLOPS "
            f"of {costed.setup.hardware.name} are unknown: it carries at most so many."
        )
    if costed.cost.instances.high > 1:
        yield (
            f"One instance is full: {whole(costed.cost.instances)} are needed, and more for short "
            "waits."
        )


def _price(outcome: Outcome) -> Iterator[str]:
    if outcome.costed.setup.price is None:
        hardware = outcome.costed.setup.hardware
        named = hardware.name if hardware else "this instance"
        yield f"The price of {named} was not given, so its costs are unknown (price=$ an hour)."


def _same_bill(outcome: Outcome, found: Compared) -> Iterator[str]:
    """Say why a smaller model saves nothing by itself, and who already takes the present one."""
    saving, needed = outcome.saving, outcome.costed.memory
    smaller = {"format", "params"} & {*outcome.strategy.changed}
    if saving is None or (saving.low, saving.high) != (0, 0) or not smaller or needed is None:
        return
    before = found.today.memory
    if before is not None and needed.needed.likely >= before.needed.likely:
        yield "Saves nothing, and needs no less memory than today."
        return
    yield (
        "Saves nothing on the same instance: it would have to move to a cheaper one with at least "
        f"{needed.needed.high / GB:,.1f} GB."
    )
    for other in found.outcomes:
        if _keeps_model(other) and other.saving is not None and other.saving.low > 0:
            hardware = other.costed.setup.hardware
            named = hardware.name if hardware else "a cheaper one"
            yield f"{other.strategy.label} saves without it: {named} takes today's model as it is."


def _keeps_model(outcome: Outcome) -> bool:
    kept = not {"format", "params", "engine"} & {*outcome.strategy.changed}
    return kept and outcome.costed.fit == "fits"


def _cache(outcome: Outcome, found: Compared) -> Iterator[str]:
    hits, saving = outcome.costed.setup.hits, outcome.saving
    if hits <= found.today.setup.hits:
        return
    if saving is not None and (saving.low, saving.high) == (0, 0):
        yield (
            "Saves nothing at a price by the hour: hits spare the engine work, and the instance "
            "costs the same idle."
        )
    was, now = found.today.cost.by_use, outcome.costed.cost.by_use
    if was is not None and now is not None:
        yield (
            "Billed by the busy second (scale to zero) an hour would cost "
            f"${between(now, 3)} instead of ${between(was, 3)}, cold starts aside."
        )
    yield f"The {1 - hits:.0%} that miss take as long as today; above 1 % they set the p99."
