"""From the words of a user to two candidates: settings, results or Modelfiles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tuner import __version__
from tuner.engines.base import Engine
from tuner.evaluate.validation import Side
from tuner.spec.errors import InputError, NotComparable
from tuner.spec.file.yaml_reading import parsed_setting
from tuner.spec.study import Study
from tuner.spec.values import Candidate
from tuner.workflow.measuring.candidates import all_knobs, baseline, complete, fit_to_engine
from tuner.workflow.measuring.compare import document_at, facts
from tuner.workflow.validating.asked import Asked, Ready, Sides
from tuner.workflow.validating.modelfile_side import Read, ensure_alike, read

BASELINE = "baseline"
EXPECTED = (
    "expected `baseline`, KNOB=VALUE[,KNOB=VALUE...], the folder of a result or a measurement, a "
    "Modelfile, or the URL of a live endpoint"
)

Form = Literal["endpoint", "baseline", "settings", "result", "modelfile"]


def form_of(word: str) -> Form:
    """Return what a word names; raise InputError for what is none of it."""
    path = Path(word)
    if "://" in word:
        return "endpoint"
    if word == BASELINE:
        return "baseline"
    if path.suffix in (".yaml", ".yml"):
        raise InputError(f"{word}: a study is named by --study; {EXPECTED}")
    if path.is_dir() or path.suffix == ".json":
        return "result"
    if path.is_file():
        return "modelfile"
    if "=" in word:
        return "settings"
    raise InputError(f"{word}: no such file or folder; {EXPECTED}")


@dataclass(frozen=True, slots=True)
class _Found:
    """A side as it was read, with the study that has its texts."""

    study: Study
    candidate: Candidate
    notes: tuple[str, ...] = ()
    modelfile: Read | None = None


def candidates(asked: Asked, engine: Engine) -> Sides:
    """Return both sides as candidates of one engine of the study's kind.

    Raises InputError for what cannot be read or set, and NotComparable for what was made for
    another engine or model.
    """
    study, left_out = fit_to_engine(asked.study, engine)
    notes = [f"{name} is left out: {why}" for name, why in left_out.items()]
    found: dict[Side, _Found] = {}
    for side, word in _words(asked).items():
        found[side] = _read(study, engine, word, side)
        study = found[side].study
        notes += found[side].notes
    files = [f.modelfile for f in found.values() if f.modelfile is not None]
    if len(files) == 2:
        ensure_alike(*files)
    if dict(found["a"].candidate) == dict(found["b"].candidate):
        notes.append("A and B have the same settings: what differs between them is noise")
    sides = {s: Ready(_words(asked)[s], study, engine, f.candidate) for s, f in found.items()}
    return Sides(study, sides, notes)


def _words(asked: Asked) -> dict[Side, str]:
    return {"a": asked.a, "b": asked.b}


def _read(study: Study, engine: Engine, word: str, side: Side) -> _Found:
    """Return a side; errors name it."""
    form, label = form_of(word), f"{side.upper()} ({word})"
    if form == "baseline":
        return _Found(study, baseline(study, engine))
    if form == "modelfile":
        file = read(study, engine, Path(word), label)
        candidate = _whole(file.study, engine, file.settings, label)
        # the texts that it brought, and the study's own baseline for the other side
        return _Found(replace(study, workload=file.study.workload), candidate, file.notes, file)
    if form == "settings":
        return _Found(study, _whole(study, engine, _settings(word), label))
    return _of_result(study, engine, Path(word), label)


def _whole(study: Study, engine: Engine, settings: Mapping[str, Any], label: str) -> Candidate:
    """Return settings on top of the study's baseline; raise InputError that names the side."""
    try:
        return baseline(study, engine, settings)
    except InputError as wrong:
        raise InputError(f"{label}: {str(wrong).removeprefix('--set: ')}") from None


def _settings(word: str) -> dict[str, Any]:
    """Return the settings in KNOB=VALUE,KNOB=VALUE."""
    found = {}
    for part in word.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise InputError(f"{word}: expected KNOB=VALUE, found {part!r}")
        found[name.strip()] = parsed_setting(value.strip(), word)
    return found


def _of_result(study: Study, engine: Engine, path: Path, label: str) -> _Found:
    """Return the best candidate of a result, or that of a measurement."""
    file, document, _ = document_at(path)
    candidate = document.get("candidate")
    if not isinstance(candidate, Mapping):
        raise InputError(f"{label}: {file} names no candidate; expected what `tune` wrote")
    told = facts(document)
    _ensure_of_study(study, engine, told, label)
    knobs = all_knobs(engine)
    if unknown := sorted(set(candidate) - set(knobs)):
        raise InputError(
            f"{label}: this engine has no knob {', '.join(unknown)}; the result is of another "
            "version or kind of engine"
        )
    version = told.get("tuner_version")
    other = f"{label} was written by tune {version}; only its settings are taken over"
    notes = () if version in (None, __version__) else (other,)
    return _Found(study, _whole(study, engine, complete(candidate, knobs), label), notes)


def _ensure_of_study(study: Study, engine: Engine, told: Mapping[str, Any], label: str) -> None:
    """Raise where a result is of other prompts, or of another engine or model."""
    if told.get("workload_hash") not in (None, study.workload.hash):
        raise InputError(
            f"{label}: the study at hand ({study.file or study.name}) has other prompts than the "
            "result; name the result's own with --study"
        )
    for fact, ours in (("engine", engine.name), ("model", engine.model.name)):
        if told.get(fact) not in (None, ours):
            raise NotComparable(
                f"{label} is of {fact} {json.dumps(told[fact])}, and the study has "
                f"{json.dumps(ours)}: its settings mean something else there; name it with "
                f"--{fact}, or the result's own study with --study"
            )
