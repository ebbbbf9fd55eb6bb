"""What is published of how a change may harm answers: ranges, never a verdict."""

from __future__ import annotations

from dataclasses import dataclass

from tuner.advice.cost.values import Format, Setup, Strategy
from tuner.advice.span import Span

MEASURE = "What you lose, `tune validate` or a guard measures on your own requests."


@dataclass(frozen=True, slots=True)
class Quality:
    """In a few words what may be lost, and in sentences what is known of that.

    `perplexity` is the ratio after to before over the `models` of which both are published.
    """

    risk: str
    perplexity: Span | None = None
    models: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()


def quality(before: Setup, strategy: Strategy) -> Quality:
    """Return what a strategy may lose; the user's own words come first."""
    parts = [
        _named(strategy.quality),
        _of_format(before.format, strategy.setup.format) if "format" in strategy.changed else None,
        _of_model(strategy) if "params" in strategy.changed else None,
        _of_cache(strategy.setup.hits) if strategy.setup.hits > before.hits else None,
    ]
    found = [part for part in parts if part is not None]
    if not found:
        return Quality("as today", sentences=("The model and its weights stay as they are.",))
    compared = next((part for part in found if part.perplexity), None)
    return Quality(
        ", ".join(part.risk for part in found),
        compared.perplexity if compared else None,
        compared.models if compared else (),
        (*(s for part in found for s in part.sentences), MEASURE),
    )


def _named(told: str | None) -> Quality | None:
    return None if told is None else Quality(told)


def _of_format(before: Format | None, after: Format | None) -> Quality | None:
    if after is None:
        return None
    remarks = (f"{after.name}: {after.remark}.",) if after.remark else ()
    named = before.name if before else "an unknown format"
    both = [m for m in after.perplexity if before and m in before.perplexity]
    if before is None or not both:
        nothing = f"No perplexity is published for both {named} and {after.name}."
        return Quality("unknown", sentences=(nothing, *remarks))
    ratios = sorted(after.perplexity[m] / before.perplexity[m] for m in both)
    span = Span(ratios[0], sum(ratios) / len(ratios), ratios[-1])
    told = (
        f"Perplexity of {after.name} against {named}: {change(span)} ({', '.join(both)} on "
        "wikitext, llama.cpp PR 6936). That is no measure of your task."
    )
    return Quality(f"ppl {change(span)}", span, tuple(both), (told, *remarks))


def _of_model(strategy: Strategy) -> Quality:
    name = strategy.setup.model.name if strategy.setup.model else "another"
    told = (
        f"No published figure says what {name} loses on your task; it may need prompts or training "
        "of its own."
    )
    return Quality("another model", sentences=(told,))


def _of_cache(hits: float) -> Quality:
    told = (
        f"A cache that matches texts exactly loses nothing while answers stay valid; one that "
        f"matches by meaning answers some of its {hits:.0%} with another question's answer."
    )
    return Quality("wrong hits", sentences=(told,))


def change(ratio: Span) -> str:
    """Return by how many percent a ratio lies beside 1, from its low end to its high one."""
    low, high = ((r - 1) * 100 for r in (ratio.low, ratio.high))
    return f"{low:+.1f} %" if f"{low:.1f}" == f"{high:.1f}" else f"{low:+.1f} to {high:+.1f} %"
