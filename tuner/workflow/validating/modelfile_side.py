"""From a Modelfile to the candidate that its lines make, as far as an engine can be set so."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuner.engines.base import Engine
from tuner.modelfile import document
from tuner.modelfile.document import Modelfile
from tuner.modelfile.parameters import KINDS
from tuner.spec.errors import InputError, NotComparable
from tuner.spec.knobs import Knob
from tuner.spec.requests.conversation import turns
from tuner.spec.requests.workload import Workload
from tuner.spec.study import Study
from tuner.workflow.modelfiles.named import identity, same, weights


@dataclass(frozen=True, slots=True)
class Read:
    """A Modelfile as settings of a study, whose workload has its system text.

    `left_out` has what of it is no setting, by its word.
    """

    label: str
    study: Study
    settings: Mapping[str, Any]
    left_out: Mapping[str, object]

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what is not in force of the file."""
        if not self.left_out:
            return ()
        return (
            f"{self.label}: not in force here: {', '.join(self.left_out)}; both sides are served "
            "with the engine's own",
        )


def read(study: Study, engine: Engine, path: Path, label: str) -> Read:
    """Return the settings of a Modelfile; what it does not set is at the engine's default.

    Raises InputError where it cannot be read, and NotComparable where it is of another model.
    """
    found = document.load(path)
    _ensure_of_model(study, engine, found, path, label)
    held = {k.key or name: name for name, k in engine.knobs.items() if k.where == "modelfile"}
    if not held:
        raise InputError(f"{label}: engine {engine.name} is not set by Modelfiles")
    given = [(held[name], value) for name, value in found.parameters if name in held]
    twice = {name for name, _ in given if sum(n == name for n, _ in given) > 1 and name}
    settings = {n: _value(engine.knobs[n], v, label) for n, v in given if n not in twice}
    workload, prompt, messages = _prompt(study.workload, found, label)
    rest = {
        "TEMPLATE": found.template,
        "ADAPTER": found.adapters,
        "DRAFT": found.drafts,
        "MESSAGE": messages,
        "RENDERER": found.renderer,
        "PARSER": found.parser,
        **{f"PARAMETER {n}": tuple(v for m, v in found.parameters if m == n)
           for n, _ in found.parameters if n not in held or held[n] in twice},
    }  # fmt: skip
    own = {n: v for n, v in study.baseline.items() if n not in held.values()}
    return Read(
        label,
        replace(study, workload=workload, baseline=own),
        settings | prompt,
        {word: value for word, value in rest.items() if value},
    )


def ensure_alike(a: Read, b: Read) -> None:
    """Raise InputError where files differ in what no setting can bring into force."""
    words = [w for w in {**a.left_out, **b.left_out} if a.left_out.get(w) != b.left_out.get(w)]
    if words:
        raise InputError(
            f"{a.label} and {b.label} differ in {', '.join(words)}, which cannot be set here; make "
            "a model of each, serve both, and name their URLs"
        )


def _ensure_of_model(
    study: Study, engine: Engine, found: Modelfile, path: Path, label: str
) -> None:
    """Raise NotComparable where FROM names another model than the study's."""
    base = weights(path, (found.base, *found.layers)) or found.base
    named = identity(path, base)
    here = study.file and Path(study.file)
    ours = {identity(Path(here or "study"), m) for m in (study.model, engine.model.source)}
    ours |= {os.path.realpath(m) for m in (study.model, engine.model.source)}
    if not any(same(named, model) for model in ours):
        raise NotComparable(
            f"{label}: FROM {base}, and the study's model is {study.model}: both sides have to be "
            "of one model; name it with --model, or serve both models and name their URLs"
        )


def _value(knob: Knob, text: str, label: str) -> Any:
    """Return the value of a PARAMETER as the knob takes it."""
    kind = KINDS.get(knob.key or knob.name, "text")
    try:
        if kind == "bool":
            return text.lower() in ("1", "t", "true")
        return int(text) if kind == "int" else float(text) if kind == "float" else text
    except ValueError:
        raise InputError(f"{label}: PARAMETER {knob.name}: found {text!r}") from None


def _prompt(
    workload: Workload, found: Modelfile, label: str
) -> tuple[Workload, dict[str, Any], Any]:
    """Return a workload that has the file's SYSTEM, the prompt's settings, and other MESSAGEs."""
    count = next(
        (n for n in range(len(workload.shots) + 1)
         if turns(workload.shots[:n]) == found.messages), None,
    )  # fmt: skip
    settings: dict[str, Any] = {"shots": count or 0, "system": "none"}
    rest = found.messages if count is None else ()
    if not found.system:
        return workload, settings, rest
    known = next((n for n, text in workload.systems.items() if text == found.system), None)
    name = known or f"SYSTEM of {label}"
    systems = {**workload.systems, name: found.system}
    return replace(workload, systems=systems), settings | {"system": name}, rest
