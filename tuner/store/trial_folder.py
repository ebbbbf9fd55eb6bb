"""A trial's folder: the one source of truth about what was measured, written and read back.

`candidate.json`, `effective.json` (what was really in force), `samples.jsonl`, `trial.json`
(which trial of the run this is, and what it cost), the end of the engine's log, and the
artifacts of the candidate.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tuner.engines import observation
from tuner.evaluate.measured import Client, Measured
from tuner.load import samples as sample_file
from tuner.machine.disturbance import Disturbance
from tuner.machine.resources import from_document
from tuner.search.budget import LEAST_LOOK
from tuner.spec.beside import InForce
from tuner.spec.errors import InputError
from tuner.spec.values import Candidate, Effective, EngineStart
from tuner.store.default_folder import point_latest
from tuner.store.run_folder import write_files, write_json, writing

_MEASURED_FILES = ("candidate.json", "effective.json", "samples.jsonl")


@dataclass(slots=True)
class Spent:
    """What a run has used up so far; `elapsed_s` counts the seconds in which it ran.

    `paused_s` are those in which it waited for production, which are no part of `elapsed_s`.

    `requests` includes the `warmups`, which are sent before each of `blocks` trials.
    """

    requests: int = 0
    warmups: int = 0
    blocks: int = 0
    restarts: int = 0
    restarting_s: float = 0.0
    busy_s: float = 0.0
    elapsed_s: float = 0.0
    paused_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Which part of its run a trial is.

    `number` is the trial's; `of` is the number of the trial whose second look it is; `side` names
    a side of a proof; `planned` is how many requests it has when it is complete.
    """

    phase: str
    number: int | None = None
    origin: str | None = None
    of: int | None = None
    side: str | None = None
    planned: int = LEAST_LOOK  # of folders that were written before trials differed in length


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """A trial as its folder holds it; `spent` is what the run had used up when the trial ended.

    `run` is the digest of what its run is about, None for a single measurement.
    """

    name: str
    place: Place
    candidate: Candidate
    measured: Measured
    spent: Spent = field(default_factory=Spent)
    run: str | None = None


def write(out: Path, trial: StoredTrial, files: Mapping[str, str], log: str) -> None:
    """Write a trial's folder in one step, `files` being its artifacts: whole, or not at all.

    Raises OutputError where it cannot be written.
    """
    folder, measured = out / "trials" / trial.name, trial.measured
    partial = folder.with_name(f".{folder.name}.partial")
    effective = asdict(measured.effective) if measured.effective else None
    with writing(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write_json(partial / "candidate.json", dict(trial.candidate))
        write_json(partial / "effective.json", effective)
        sample_file.write(partial / "samples.jsonl", measured.samples)
        write_json(partial / "trial.json", _facts(trial, partial))
        write_files(partial, files)
        (partial / "engine.log").write_text(log, encoding="utf-8", errors="backslashreplace")
        partial.replace(folder)
    point_latest(out)


def _facts(trial: StoredTrial, folder: Path) -> dict[str, Any]:
    measured = trial.measured
    return {
        "schema": "tuner.trial/1",
        "name": trial.name,
        "run": trial.run,
        "files": {name: _digest(folder / name) for name in _MEASURED_FILES},
        "place": asdict(trial.place),
        "failed": measured.failed,
        "memory_bytes": measured.memory_bytes,
        "client": asdict(measured.client),
        "resources": asdict(measured.resources) if measured.resources else None,
        "machine": asdict(measured.machine) if measured.machine else None,
        "observed": observation.document(measured.observed),
        "spent": asdict(trial.spent),
    }


def free_name(out: Path, name: str) -> str:
    """Return a free name for a trial: `name`, or `name_2` and so on where it is taken."""
    names = itertools.chain([name], (f"{name}_{n}" for n in itertools.count(2)))
    return next(n for n in names if not (out / "trials" / n).exists())


def read_all(out: Path) -> list[StoredTrial]:
    """Return the finished trials of a run in the order in which they ended.

    What a killed run left half-written is removed. Raises InputError, naming the folder, for
    one that cannot be read.
    """
    for partial in (out / "trials").glob(".*.partial"):
        with writing(partial):
            shutil.rmtree(partial)
    return in_order(read(f) for f in (out / "trials").glob("[!.]*"))


def in_order(trials: Iterable[StoredTrial]) -> list[StoredTrial]:
    """Return trials in the order in which they ended."""
    return sorted(trials, key=lambda trial: trial.spent.elapsed_s)


def read(folder: Path) -> StoredTrial:
    """Return the trial that a folder holds; raise InputError where it is not as it was written."""
    try:
        facts = json.loads((folder / "trial.json").read_text(encoding="utf-8"))
        _ensure_as_written(folder, facts)
        candidate = json.loads((folder / "candidate.json").read_text(encoding="utf-8"))
        effective = json.loads((folder / "effective.json").read_text(encoding="utf-8"))
        measured = Measured(
            effective=_effective(effective),
            samples=sample_file.read(folder / "samples.jsonl"),
            client=Client(**facts["client"]),
            memory_bytes=facts["memory_bytes"],
            failed=facts["failed"],
            resources=from_document(facts.get("resources")),  # older trials have none
            machine=_machine(facts.get("machine")),  # not written before there was the field
            observed=observation.from_document(facts.get("observed")),  # the same
        )
        place, spent = Place(**facts["place"]), _spent(facts["spent"])
    except (OSError, ValueError, KeyError, TypeError, InputError) as broken:
        raise InputError(
            f"{folder}: not a trial as it was written ({broken}); move it out of "
            f"{folder.parent} to go on without it"
        ) from None
    return StoredTrial(folder.name, place, candidate, measured, spent, facts.get("run"))


def _ensure_as_written(folder: Path, facts: Mapping[str, Any]) -> None:
    """Raise ValueError for a folder of another trial, or whose files are not its own."""
    if not isinstance(facts, Mapping):
        raise ValueError(f"trial.json: expected a JSON object, found {type(facts).__name__}")
    if facts.get("name", folder.name) != folder.name:  # older trials do not tell
        raise ValueError(f"this is the trial {facts['name']}")
    for name, written in facts.get("files", {}).items():
        if _digest(folder / name) != written:
            raise ValueError(f"{name} is not what was written")


def _spent(document: Mapping[str, Any]) -> Spent:
    if wrong := [name for name, v in document.items() if type(v) not in (int, float)]:
        raise ValueError(f"trial.json: spent.{wrong[0]}: expected a number")
    return Spent(**document)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _machine(document: Mapping[str, Any] | None) -> Disturbance | None:
    return None if document is None else Disturbance(**document)


def _effective(document: Mapping[str, Any] | None) -> Effective | None:
    if document is None:
        return None
    # older trials have neither notes nor start nor limits
    tuples = {n: tuple(document.get(n, ())) for n in ("unverified", "mismatches", "notes")}
    told, limits = document.get("start"), document.get("limits")
    start = None if told is None else EngineStart(**told)
    parts = {"start": start, "limits": None if limits is None else _limits(limits)}
    return Effective(**{**document, **tuples, **parts})


def _limits(document: Mapping[str, Any]) -> InForce:
    cpus, missing = document["cpus"], tuple(document["missing"])
    return InForce(
        **{**document, "cpus": None if cpus is None else tuple(cpus), "missing": missing}
    )
