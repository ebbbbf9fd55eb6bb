"""Check a study as far as that goes without starting its engine."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tuner.engines.base import Preview
from tuner.engines.registry import preview
from tuner.report.study_check import StudyCheck
from tuner.search.budget import (
    SHORTLIST,
    Plan,
    confirmation_requests,
    plan,
    price,
)
from tuner.search.error import ALPHAS
from tuner.spec.errors import InputError
from tuner.spec.knobs import name_of
from tuner.spec.requests.slots import literal_names, texts_with_slots
from tuner.spec.requests.workload import Workload, distinct, visits
from tuner.spec.space import Choices, Dimension
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Setting
from tuner.stats.shares import evidence_above
from tuner.workflow.measuring.candidates import baseline, fit_to_engine
from tuner.workflow.start.lengths import about_lengths
from tuner.workflow.tune.preparation import check, unguarded

_MOST_TEMPLATES = 5000
"""A floor that this many flawless templates do not show is out of reach."""


_MOST_NAMES = 5


def check_study(study: Study) -> StudyCheck:
    """Return what a study amounts to, with warnings for what is unwise.

    Raises InputError for what the engine or the workload does not have.
    """
    seen = preview(study)
    study, left_out = fit_to_engine(study, seen)
    base = baseline(study, seen)
    refusal = _refusal(study)
    planned = None if refusal else plan(study)
    workload = study.workload
    search, proof = (
        distinct(workload.part(held_out=held_out), workload.slots) for held_out in (False, True)
    )
    warnings = [*seen.missing, *([refusal] if refusal else [])]
    warnings += [f"{name} is left out: {why}" for name, why in left_out.items()]
    warnings += _braces(workload)
    warnings += about_lengths(workload, seen.knobs, base)
    if planned:
        warnings += _beyond_budget(study, planned)
        warnings += [*_few_prompts(study, planned, search, proof), *_guard(study)]
        warnings += [*_outside(study, base), *_long_contexts(study, seen)]
    return StudyCheck(study, base, (search, proof), planned, tuple(warnings))


def _braces(workload: Workload) -> Iterator[str]:
    """Yield what is sent as it is written and may have been meant otherwise."""
    if names := literal_names(workload):
        shown = ", ".join(f"{{{name}}}" for name in names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        yield (
            f"{shown}{more} in the prompts: sent as written, since workload.slots has no such name"
        )
    if any("{{" in text for text in texts_with_slots(workload.templates, workload.slots)):
        yield (
            "doubled braces in prompts with slots: sent as written, doubled; single ones need no "
            "doubling, as only the name of a slot in braces is filled in"
        )


def _refusal(study: Study) -> str | None:
    """Return why a study cannot be tuned, only measured."""
    try:
        check(study)
    except InputError as error:
        return str(error)
    return None


def _few_prompts(study: Study, planned: Plan, search: int, proof: int) -> Iterator[str]:
    """Yield what is wrong with the number of prompts: repeated ones are not like fresh ones."""
    if not study.workload.held_out:
        yield (
            "no prompt is held out: the proof will use prompts that the search has seen; mark "
            "about half of them with held_out: true"
        )
    pace = planned.pace
    searching = planned.trials * pace.look + SHORTLIST * pace.second_look
    for what, found, needed in (
        ("search", search, searching),
        ("proof", proof, round(confirmation_requests(study, planned.rhythm))),
    ):
        if found < needed:
            yield (
                f"{found} different prompts for some {needed} requests of the {what}: they will "
                "repeat, and an engine may answer a repeated prompt faster; add prompts or slots"
            )


def _beyond_budget(study: Study, planned: Plan) -> Iterator[str]:
    """Yield that a proof takes more than its part of the budget, and what takes less."""
    cost = price(study, planned.pace)
    if not study.slos or cost.seconds <= planned.confirmation_s:
        return
    less = (
        f", or claim.in_flight: apart if the {cost.in_flight} in flight do not stall together"
        if cost.in_flight > 1
        else ""
    )
    yield (
        f"a proof takes {cost.requests:,} requests or more, some {cost.seconds / 60:.0f} min at "
        f"the pace that the target asks for, and the plan has {planned.confirmation_s / 60:.0f} "
        f"min for it: use a larger --budget{less}"
    )


def _guard(study: Study) -> Iterator[str]:
    """Yield what is wrong with the floors: none, or more than the prompts can show."""
    yield from unguarded(study)
    guard, kept = study.guard, study.workload.part(held_out=True)
    count = list(visits(kept).values())
    templates = sum(count) / max(count)  # a light one shows less than the heaviest
    unlike = "" if round(templates) == len(kept) else f", which show as much as {templates:.0f}"
    for name, floor in (("min_valid", guard.min_valid), ("min_correct", guard.min_correct)):
        if floor is not None and templates < (needed := least_templates(floor)):
            yield (
                f"guard.{name} {floor:g} takes {needed} prompt templates or more to be proven, and "
                f"there are {len(kept)}{' held out' if study.workload.held_out else ''}"
                f"{unlike}: no candidate can be proven; add prompts"
            )


def least_templates(floor: float) -> int:
    """Return how many templates, all of them answered well, show a share above the floor."""
    shown = evidence_above(np.ones(_MOST_TEMPLATES), floor) >= 1 / ALPHAS[0]
    return int(np.argmax(shown)) + 1 if shown.any() else _MOST_TEMPLATES


def _outside(study: Study, base: Candidate) -> Iterator[str]:
    for name, dimension in study.space.items():
        if not dimension.contains(base[name]):
            yield (
                f"the baseline's {name} {base[name]} lies outside of the space: it is measured as "
                "it is, but the search learns nothing from it; widen space or name another"
            )


def _long_contexts(study: Study, seen: Preview) -> Iterator[str]:
    name = name_of(seen.knobs, "context")
    longest = _largest(study.space.get(name or ""))
    if seen.train_ctx and longest is not None and longest > seen.train_ctx:
        yield (
            f"space.{name} reaches {longest:g}, but the model was trained with {seen.train_ctx}: "
            "answers get worse beyond that"
        )


def _largest(dimension: Dimension | None) -> float | None:
    if dimension is None:
        return None
    values: tuple[Setting, ...] = (
        dimension.values if isinstance(dimension, Choices) else (dimension.high,)
    )
    return max((float(v) for v in values if isinstance(v, int | float)), default=None)
