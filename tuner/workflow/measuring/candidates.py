"""Complete the candidates of a study, and check them against the engine's knobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from tuner.engines.base import Engine, Refuses
from tuner.spec.errors import InputError
from tuner.spec.file.parts import nearest
from tuner.spec.knobs import LEFT_TO_ENGINE, Knob, name_of
from tuner.spec.requests.conversation import PROMPT_KNOBS, allowed
from tuner.spec.space import Choices, Dimension, like, some_values
from tuner.spec.study import Study
from tuner.spec.values import Candidate, Setting
from tuner.workflow.measuring.writable import ensure_writable


class HasKnobs(Protocol):
    """An engine, or the preview of one."""

    @property
    def knobs(self) -> Mapping[str, Knob]:
        """Return the knobs with their tiers and defaults."""
        ...


def fit_to_engine(study: Study, engine: HasKnobs) -> tuple[Study, dict[str, str]]:
    """Return a study without the knobs that its engine fixes, and why they are left out, by knob.

    An attached server does not let everything change. Numbers become whole where a knob's default
    is whole; `baseline` checks whether they can be.
    """
    study, named = leave_out(study, getattr(engine, "left_out", {}))
    defaults = {name: _typical(knob) for name, knob in all_knobs(engine).items()}
    space = {n: _like(defaults.get(n), d) for n, d in study.space.items()}
    return replace(study, space=space, baseline=_typed(study.baseline, defaults)), named


async def without_refused(study: Study, engine: Engine) -> tuple[Study, dict[str, str]]:
    """Return a study without the knobs that its server refuses, and why, by knob.

    Does what `fit_to_engine` does, and asks the server as well. Raises InputError as `baseline`
    does.
    """
    study, left_out = fit_to_engine(study, engine)
    baseline(study, engine)
    if not isinstance(engine, Refuses):
        return study, left_out
    limit = name_of(engine.knobs, "limit")  # how refusals are asked for: it is always sent
    settings = {n: v for n, v in _named(study).items() if n in engine.knobs and n != limit}
    study, refused = leave_out(study, await engine.refused(settings))
    return study, left_out | refused


def _named(study: Study) -> dict[str, Setting]:
    """Return a value for each knob that the study sets or searches."""
    searched = {n: some_values(dimension) for n, dimension in study.space.items()}
    sent = {n: [v for v in values if v not in LEFT_TO_ENGINE] for n, values in searched.items()}
    return {**study.baseline, **{n: values[0] for n, values in sent.items() if values}}


def leave_out(study: Study, fixed: Mapping[str, str]) -> tuple[Study, dict[str, str]]:
    """Return a study without the `fixed` knobs, and those of them that it named."""
    named = {n: fixed[n] for n in (*study.space, *study.baseline) if n in fixed}
    space = {n: d for n, d in study.space.items() if n not in fixed}
    base = {n: v for n, v in study.baseline.items() if n not in fixed}
    return replace(study, space=space, baseline=base), named


def _like(default: Setting | None, dimension: Dimension) -> Dimension:
    """Return a dimension whose numbers are whole where the knob's default is whole."""
    if default is None:
        return dimension
    if isinstance(dimension, Choices):
        return Choices(tuple(like(default, value) for value in dimension.values))
    return dimension.like(default)


def _typed(settings: Mapping[str, Setting], defaults: Mapping[str, Setting]) -> Candidate:
    return {n: like(defaults.get(n, v), v) for n, v in settings.items()}


def all_knobs(engine: HasKnobs) -> dict[str, Knob]:
    """Return the engine's knobs and those of the prompt."""
    return {**engine.knobs, **PROMPT_KNOBS}


def complete(candidate: Mapping[str, Any], knobs: Mapping[str, Knob]) -> dict[str, Any]:
    """Return a candidate with every knob; those that it leaves open have their defaults."""
    return {name: knob.default for name, knob in knobs.items()} | dict(candidate)


def baseline(
    study: Study,
    engine: HasKnobs,
    settings: Mapping[str, Setting] | None = None,
    *,
    said: str = "--set",
) -> Candidate:
    """Return the study's baseline, with `settings` on top, as a whole candidate.

    `said` is where the settings come from. Raises InputError where the study or the settings name
    a knob or value that is not there.
    """
    knobs, where = all_knobs(engine), study.file or "the study"
    _check(study.baseline, knobs, f"{where}: baseline")
    _check(settings or {}, knobs, said)
    for name, dimension in study.space.items():
        for value in some_values(dimension):
            _check({name: value}, knobs, f"{where}: space")
    _check_prompt(study, settings or {}, where)
    base = complete({**study.baseline, **(settings or {})}, knobs)
    base = dict(_typed(base, {name: _typical(knob) for name, knob in knobs.items()}))
    ensure_writable(study, engine.knobs, base, where)
    return base


def _check(settings: Mapping[str, Setting], knobs: Mapping[str, Knob], where: str) -> None:
    for name, value in settings.items():
        if name not in knobs:
            raise InputError(
                f"{where}: unknown knob {name!r}; this engine has: {', '.join(sorted(knobs))}"
                f"{nearest(name, knobs)}"
            )
        expected = None if name in PROMPT_KNOBS else _expected(knobs[name], value)
        if expected is not None:
            raise InputError(f"{where}: {name}: expected {expected}, found {value!r}")


_LIKE: Mapping[str, Setting] = {"number": 0.0, "whole number": 0, "switch": False}
"""What a knob takes -> a value of that kind; its default may be a word that leaves it open."""


def _typical(knob: Knob) -> Setting:
    """Return a value of the kind that a knob takes."""
    return _LIKE.get(knob.takes, knob.default)


def _left_open(knob: Knob, value: Setting) -> bool:
    """Tell whether a word leaves the choice to the engine, as the knob's default does."""
    return value in LEFT_TO_ENGINE and knob.default in LEFT_TO_ENGINE


def _as_its_default(knob: Knob) -> str:
    return f", as its default {knob.default} is one" if isinstance(knob.default, int) else ""


def _expected(knob: Knob, value: Setting) -> str | None:
    """Say what is expected where a value does not suit the knob, None where it does."""
    default = knob.default if _left_open(knob, value) else _typical(knob)
    no_number = isinstance(default, int | float) and not isinstance(value, int | float)
    one_switch = isinstance(default, bool) != isinstance(value, bool)
    if no_number or one_switch:
        return _kind(default)
    if isinstance(default, int) and isinstance(value, float) and not value.is_integer():
        return "a whole number" + _as_its_default(knob)
    return _above(knob, value)


def _above(knob: Knob, value: Setting) -> str | None:
    """Return what is expected of a number that is below the least that has a meaning."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    too_low = number and knob.least is not None and float(value) < knob.least
    return f"{knob.least:g} or more" if too_low else None


def _kind(default: Setting) -> str:
    if isinstance(default, bool):
        return "true or false"
    return 'text, such as "on" in quotes' if isinstance(default, str) else "a number"


def _check_prompt(study: Study, settings: Mapping[str, Setting], where: str) -> None:
    """Raise InputError for a value of a prompt knob that the workload does not have."""
    for name, there in allowed(study.workload).items():
        used = some_values(study.space[name]) if name in study.space else ()
        given = [source[name] for source in (study.baseline, settings) if name in source]
        for value in (*used, *given):
            if not Choices(there).contains(value):
                raise InputError(
                    f"{where}: {name}: {value!r} is not there; the workload has: "
                    f"{', '.join(map(str, there))}{nearest(str(value), map(str, there))}"
                )
