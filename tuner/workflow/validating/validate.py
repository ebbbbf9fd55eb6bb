"""Compare A and B on the same fresh prompts, in random order, until a verdict stands."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tuner.engines.base import Engine
from tuner.engines.registry import create
from tuner.evaluate import failures
from tuner.evaluate.validation import Planned, Side, Validation
from tuner.report.validation import plan_lines, validation_document
from tuner.spec.errors import EngineDied, InputError
from tuner.store.run_folder import claimed, same_run, write_json
from tuner.store.trial_folder import StoredTrial, read_all
from tuner.workflow.beside.load import study_gate
from tuner.workflow.beside.room import ensure_room
from tuner.workflow.dueling.answers import margin_of
from tuner.workflow.dueling.pairs import Contestant, stored_pairs
from tuner.workflow.measuring.environment import environment, identity
from tuner.workflow.measuring.run_time import unbounded
from tuner.workflow.tune.begin import WRAP_UP_S, begin
from tuner.workflow.validating.asked import Asked, Ready, Sides
from tuner.workflow.validating.contest import Contest
from tuner.workflow.validating.drift import drift
from tuner.workflow.validating.endpoints import endpoints
from tuner.workflow.validating.named_sides import candidates, form_of
from tuner.workflow.validating.plan import planned

DOCUMENT = "validation.json"


async def validate(
    asked: Asked, note: Callable[[str], None] = lambda line: None, engine: Engine | None = None
) -> tuple[Validation, dict[str, object]]:
    """Return what was found, and its document; `engine` replaces the study's own.

    Every block stays in `asked.out` however it ends, and `asked.resume` goes on with them. Raises
    InputError for what cannot be compared, NotComparable for what is of two models or engines, and
    EngineError where a side does not serve.
    """
    forms = [form_of(word) for word in (asked.a, asked.b)]
    if forms.count("endpoint") == 1:
        raise InputError(
            f"{asked.a} and {asked.b}: one is a live endpoint and the other is not, so that what "
            "differs may be the server; name two endpoints, or none"
        )
    with claimed(asked.out, resume=asked.resume):
        if forms[0] == "endpoint":
            return await _validate(asked, await endpoints(asked), note)
        engine = engine or create(asked.study, asked.out / "engine")
        async with contextlib.aclosing(engine):
            ensure_room(asked.study, engine)
            return await _validate(asked, candidates(asked, engine), note)


async def _validate(
    asked: Asked, given: Sides, note: Callable[[str], None]
) -> tuple[Validation, dict[str, object]]:
    """Compare two sides in a folder that is ours; see `validate`."""
    max_drop = margin_of(given.study) if asked.max_drop is None else asked.max_drop
    plan = planned(given.study, max_drop)
    for line in (*given.notes, *plan_lines(plan, given.study, asked.margin, max_drop)):
        note(line)
    stored = read_all(asked.out)
    about = same_run(asked.out, _about(asked, given), {t.name: t.run for t in stored})
    who = _contestants(asked, given.sides, stored, about, note)
    pairs = stored_pairs(stored, who)
    rng = np.random.default_rng([given.study.seed, len(pairs)])
    contest = Contest(given.study, who, asked.margin, max_drop, pairs, rng, given.notes)
    try:
        if not given.study.workload.judged:
            contest.agreement = await drift(given.sides, who, stored)
        found = await contest.until_decided(note)
    finally:
        for session in {id(w.session): w.session for w in who.values()}.values():
            await session.aclose(note)
    _ensure_served(found, given)
    return found, _written(asked, given, found, plan, who)


def _contestants(
    asked: Asked,
    sides: Mapping[Side, Ready],
    stored: Sequence[StoredTrial],
    about: str,
    note: Callable[[str], None],
) -> dict[Side, Contestant]:
    """Return both sides in their sessions: one of our engine, or one of each endpoint."""
    found: dict[Side, Contestant] = {}
    for side, ready in sides.items():
        if ready.own and found:
            session = next(iter(found.values())).session
        else:
            mine = [t for t in stored if ready.own or t.place.side == side]
            before_s = mine[-1].spent.elapsed_s if mine else 0.0
            wrap_up_s = 0.0 if ready.own else WRAP_UP_S  # what is not ours is not stopped
            gate = study_gate(ready.study, ready.engine, note) if ready.own else None
            session = begin(
                ready.study, ready.engine, asked.out, mine, about, gate, unbounded,
                before_s + ready.study.budget_s + wrap_up_s,
            )  # fmt: skip
        found[side] = Contestant(session, ready.candidate, ready.own)
    return found


def _about(asked: Asked, given: Sides) -> dict[str, object]:
    """Return what a validation is about: only with all of it alike may another part go on."""
    a, b = given.sides["a"], given.sides["b"]
    other = {f"b_{fact}": value for fact, value in environment(b.engine, None).items()}
    kept = ("b_server", "b_model", "b_model_digest")
    return {
        **identity(given.study, a.engine, a.candidate),
        **{fact: other[fact] for fact in kept},
        "candidate": dict(b.candidate),
        "margin": asked.margin,
        "max_drop": asked.max_drop,
    }


def _ensure_served(found: Validation, given: Sides) -> None:
    """Raise EngineDied where a side never served, so that nothing was compared."""
    side = found.lost
    if side is not None and not found.latency.pairs:
        why = failures.with_next_step(str(found.stopped), given.sides[side].study)
        raise EngineDied(f"{given.sides[side].label}: {why}")


def _written(
    asked: Asked,
    given: Sides,
    found: Validation,
    plan: Planned,
    who: Mapping[Side, Contestant],
) -> dict[str, object]:
    """Write and return the document of a validation."""
    labels = {side: ready.label for side, ready in given.sides.items()}
    facts = {
        side: environment(ready.engine, who[side].session.version)
        for side, ready in given.sides.items()
    }
    spent_s = max(w.session.spent.elapsed_s for w in who.values())
    document = validation_document(found, given.study, labels, facts, plan)
    document["spent_s"] = spent_s if math.isfinite(spent_s) else None
    write_json(asked.out / DOCUMENT, document)
    return document
