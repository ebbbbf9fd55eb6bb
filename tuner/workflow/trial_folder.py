"""A trial's folder: the one source of truth about what was measured, written and read back.

`candidate.json`, `effective.json` (what was really in force), `samples.jsonl`, `trial.json`
(which trial of the run this is, and what it cost), the end of the engine's log, and the
artifacts of the candidate.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tuner.load import samples as sample_file
from tuner.report.disturbance import Disturbance
from tuner.report.measurement import Client
from tuner.report.resources import Resources, from_document
from tuner.search.budget import LEAST_LOOK
from tuner.spec.errors import InputError
from tuner.spec.values import Candidate, Effective, Sample
from tuner.workflow import artifacts
from tuner.workflow.folder import write_json, writing


@dataclass(frozen=True, slots=True)
class Measured:
    """What measuring a candidate once brought; `failed` says why there is nothing to compare.

    `machine` is what disturbed the measured requests, None where the engine is no process of
    ours or the system does not tell.
    """

    effective: Effective | None
    samples: tuple[Sample, ...]
    client: Client
    memory_bytes: int | None = None
    failed: str | None = None
    resources: Resources | None = None
    machine: Disturbance | None = None

    @property
    def kept(self) -> tuple[Sample, ...]:
        """Return the samples without the warm-up."""
        return tuple(s for s in self.samples if not s.warmup)


@dataclass(slots=True)
class Spent:
    """What a run has used up so far; `elapsed_s` counts the time in which it ran.

    `requests` holds the `warmups` too, of which there were some before each of `blocks` trials.
    """

    requests: int = 0
    warmups: int = 0
    blocks: int = 0
    restarts: int = 0
    restarting_s: float = 0.0
    busy_s: float = 0.0
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Which part of its run a trial is.

    `number` is the trial's, `of` the trial that it continues with another candidate; `side`
    names a side of the confirmation; `planned` is how many requests it has when it is complete.
    """

    phase: str
    number: int | None = None
    origin: str | None = None
    of: int | None = None
    side: str | None = None
    planned: int = LEAST_LOOK  # of folders that were written before trials differed in length


@dataclass(frozen=True, slots=True)
class KeptTrial:
    """A trial as its folder holds it; `spent` is what the run had used up when it ended."""

    name: str
    place: Place
    candidate: Candidate
    measured: Measured
    spent: Spent = field(default_factory=Spent)


def write(out: Path, trial: KeptTrial, files: Mapping[str, str], log: str) -> None:
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
        write_json(partial / "trial.json", _facts(trial))
        sample_file.write(partial / "samples.jsonl", measured.samples)
        artifacts.write(partial, files)
        (partial / "engine.log").write_text(log, encoding="utf-8")
        partial.replace(folder)


def _facts(trial: KeptTrial) -> dict[str, Any]:
    measured = trial.measured
    return {
        "schema": "tuner.trial/1",
        "place": asdict(trial.place),
        "failed": measured.failed,
        "memory_bytes": measured.memory_bytes,
        "client": asdict(measured.client),
        "resources": asdict(measured.resources) if measured.resources else None,
        "machine": asdict(measured.machine) if measured.machine else None,
        "spent": asdict(trial.spent),
    }


def read_all(out: Path) -> list[KeptTrial]:
    """Return the finished trials of a run in the order in which they ended.

    What a killed run left half-written is removed. Raises InputError, naming the folder, for
    one that cannot be read.
    """
    folders = list((out / "trials").iterdir())
    for folder in folders:
        if folder.name.startswith("."):
            shutil.rmtree(folder)
    kept = [read(f) for f in folders if not f.name.startswith(".")]
    return sorted(kept, key=lambda trial: trial.spent.elapsed_s)


def read(folder: Path) -> KeptTrial:
    """Return the trial that a folder holds; raise InputError where it cannot be read."""
    try:
        facts = json.loads((folder / "trial.json").read_text(encoding="utf-8"))
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
        )
        place, spent = Place(**facts["place"]), Spent(**facts["spent"])
    except (OSError, ValueError, KeyError, TypeError) as broken:
        raise InputError(
            f"{folder}: not a trial's folder ({broken}); move it away to go on without it"
        ) from None
    return KeptTrial(folder.name, place, candidate, measured, spent)


def _machine(document: Mapping[str, Any] | None) -> Disturbance | None:
    return None if document is None else Disturbance(**document)


def _effective(document: Mapping[str, Any] | None) -> Effective | None:
    if document is None:
        return None
    tuples = {name: tuple(document[name]) for name in ("unverified", "mismatches")}
    return Effective(**{**document, **tuples})
