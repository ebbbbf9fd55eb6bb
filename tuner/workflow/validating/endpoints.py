"""Two live endpoints as sides: only asked, nothing of them changed, and of one model."""

from __future__ import annotations

from dataclasses import replace

from tuner.engines.base import Engine, Lists
from tuner.engines.serving.served_models import is_among
from tuner.evaluate.validation import Side
from tuner.spec.engine_section import DEFAULT_MODEL
from tuner.spec.errors import NotComparable
from tuner.spec.study import Study
from tuner.workflow.checking.serving import asked_at, served_at
from tuner.workflow.validating.asked import Asked, Ready, Sides


async def endpoints(asked: Asked) -> Sides:
    """Return both endpoints, asked as clients of the study's baseline do.

    Raises InputError for what is no URL, EngineDied where nobody answers, and NotComparable where
    they serve different models, unless `asked.force` allows that.
    """
    words: dict[Side, str] = {"a": asked.a, "b": asked.b}
    studies = {side: served_at(asked.study, word, word) for side, word in words.items()}
    models = {side: await _model(asked_at(study).engine) for side, study in studies.items()}
    unlike = _unlike(models["a"], models["b"])
    if unlike and not asked.force:
        raise NotComparable(
            f"two different models: {unlike}; how they differ says nothing of how they are served. "
            "Name endpoints of one model, or compare these all the same with --force"
        )
    if unlike:
        studies = {side: _naming(study, models[side][0]) for side, study in studies.items()}
    sides = {side: _ready(words[side], study) for side, study in studies.items()}
    notes = [f"compared all the same: {unlike}"] if unlike else []
    if all(name is None for name, _ in models.values()):
        notes.append("neither endpoint tells which model it serves: that they are one is not shown")
    return Sides(sides["a"].study, sides, notes)


def _ready(label: str, study: Study) -> Ready:
    there = asked_at(study)
    return Ready(label, there.study, there.engine, there.sent, own=False, sends=there.sends)


async def _model(engine: Engine) -> tuple[str | None, str | None]:
    """Return the name of the model that an endpoint serves to us, and its digest; None unknown."""
    name = None if engine.model.name == DEFAULT_MODEL else engine.model.name
    there = await engine.served() if isinstance(engine, Lists) else {}
    if not there:
        return name, None
    listed = (n for n in there if name is not None and is_among(name, [n]))
    if (found := next(listed, None)) is not None:
        return found, there[found]
    # a server with one model serves it under any name; among several the default is not known
    only = next(iter(there)) if len(there) == 1 else name or ", ".join(sorted(there))
    return only, there.get(only)


def _unlike(a: tuple[str | None, str | None], b: tuple[str | None, str | None]) -> str | None:
    """Say how two models differ, None where nothing shows that they do."""
    if None not in (a[0], b[0]) and a[0] != b[0]:
        return f"A serves {a[0]}, B serves {b[0]}"
    if None not in (a[1], b[1]) and a[1] != b[1]:
        return f"both serve {a[0]}, A with digest {str(a[1])[:19]}, B with {str(b[1])[:19]}"
    return None


def _naming(study: Study, model: str | None) -> Study:
    """Return a study whose requests name the model that its endpoint serves."""
    if study.model == DEFAULT_MODEL or model is None:
        return study
    return replace(study, model=model)
