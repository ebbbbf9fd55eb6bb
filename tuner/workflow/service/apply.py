"""Put a result into service: a model under the name that clients use.

The name changes hands in one call. Until then the old model serves, whatever happens; after
it the old one is still there under a dated tag, and serves again unless a check in place ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from tuner.engines.ollama.service import Target, environment_of, service_file, steps
from tuner.evaluate.measurement import Measurement
from tuner.modelfile.create_request import create_request
from tuner.modelfile.diff import Change, changes, inheriting
from tuner.modelfile.document import Modelfile, load, parse
from tuner.report.apply import busy_in_place
from tuner.spec.errors import EngineError, InputError, TunerError
from tuner.spec.model_name import ensure_name
from tuner.store.run_folder import writing
from tuner.workflow.service.interrupts import put_off
from tuner.workflow.service.notes import Note, Notes
from tuner.workflow.service.way_back import BEFORE, Models, listed, take_back

STAMP = "%Y%m%dT%H%M%S"
NEXT = "modelfile-tuner-next"
_OURS = re.compile(NEXT + r":\d{8}T\d{6}-(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)")


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would change: `changes` is None where no model has the name yet."""

    name: str
    folder: Path
    modelfile: Modelfile
    verdict: str
    changes: tuple[Change, ...] | None
    environment: Mapping[str, str]
    service: tuple[str, str] | None = None
    steps: tuple[str, ...] = ()
    result: Mapping[str, Any] = field(default_factory=dict)


def propose(result: Path, name: str, target: Target, models: Models) -> Proposal:
    """Return what putting a result into service under a name would change.

    `result` is the folder of a run, or its result.json. Raises InputError for what is none, and
    for a name that a model cannot have, or under which the one that serves cannot be kept.
    """
    folder, document = read_result(result)
    modelfile = load(folder / "Modelfile")
    ensure_name(name)
    name = listed(name, models)
    there = models.digest(name) is not None
    if there:
        ensure_name(_kept(name, datetime.now()))
    now = parse(models.modelfile(name), name) if there else None
    coming = _whole(modelfile, models)
    environment = _environment(folder)
    header = (f"The server's environment for {name}, written by modelfile-tuner.",)
    scheduling = _scheduling(document)
    service = service_file(target, environment, header, scheduling) if environment else None
    written = folder / "service" / service[0] if service else None
    return Proposal(
        name=name,
        folder=folder,
        modelfile=modelfile,
        verdict=str(document.get("verdict")),
        changes=tuple(changes(now, coming, ("", modelfile.base))) if now else None,
        environment=environment,
        service=service,
        steps=tuple(steps(target, str(written), scheduling)) if written else (),
        result=document,
    )


def _whole(modelfile: Modelfile, models: Models) -> Modelfile:
    """Return a Modelfile with what it inherits; raise InputError where its base is not there."""
    base = modelfile.base
    if Path(base).is_file():
        return modelfile
    if models.digest(base) is None:
        raise InputError(f"FROM {base}: the server has no such model; `ollama pull {base}` first")
    return inheriting(modelfile, parse(models.modelfile(base), base))


def read_result(result: Path) -> tuple[Path, Mapping[str, Any]]:
    """Return the folder of a run that wrote a Modelfile, and its result.

    `result` is the folder or its result.json. Raises InputError for what is none.
    """
    folder = result.parent if result.name == "result.json" else result
    path = folder / "result.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not the result of a run ({error}): name its folder") from None
    if not isinstance(found, dict) or found.get("schema") != "tuner.result/1":
        raise InputError(f"{path} is not the result of a run: expected schema tuner.result/1")
    if "Modelfile" not in found.get("artifacts", {}):
        raise InputError(f"{path}: this run wrote no Modelfile that could go into service")
    return folder, found


def _environment(folder: Path) -> dict[str, str]:
    path = folder / "ollama.env"
    return environment_of(path.read_text(encoding="utf-8")) if path.exists() else {}


def _scheduling(result: Mapping[str, Any]) -> str:
    """Return how the server's threads were scheduled; results of other engines do not say."""
    best = result.get("best") or {}
    return str(best.get("candidate", {}).get("cpu_scheduling", "other"))


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done: `kept` is the name of what served before, None where there was nothing.

    `measured` is the check in place, None without one; where it failed all was taken back.
    """

    kept: str | None
    service_file: Path | None
    measured: Measurement | None

    @property
    def failed(self) -> bool:
        """Tell whether a target failed in place.

        A client that did not keep up leaves that open, unless requests failed as well: those of a
        server that died fail at once, which keeps any client busy.
        """
        m = self.measured
        if m is None or (m.saturated and not any(m.failures.values())):
            return False
        return m.verdict == "FAIL" or any(c.verdict == "FAIL" for c in m.certificates.values())


def apply(
    proposal: Proposal,
    models: Models,
    notes: Notes,
    now: datetime,
    say: Callable[[str], None],
    check: Callable[[], Measurement] | None = None,
) -> Applied:
    """Put a proposal into service, and let it stay where a check in place ends and does not fail.

    Whatever keeps the check from its end, the name serves again what it served before, and that
    is said. Raises what the check raises, and EngineError where Ollama refuses, with what serves.
    """
    file = _write_service(proposal)
    _remove_left_behind(models)
    with contextlib.ExitStack() as undo:
        with _temporary(proposal.modelfile, models, now) as coming:
            note = _note(proposal.name, coming, now, models)
            notes.begin(note)
            undo.callback(_taken_back, note, models, notes, say)
            _change_hands(note, coming, models)
        done = Applied(note.kept, file, check() if check else None)
        with put_off():
            undo.pop_all()
            if done.failed:
                say(take_back(note, models, notes) + busy_in_place(done.measured))
            else:
                notes.hold(note)
    return done


def _taken_back(note: Note, models: Models, notes: Notes, say: Callable[[str], None]) -> None:
    """Undo what was done and say so, before a signal that comes meanwhile ends the program."""
    with put_off():
        try:
            say(take_back(note, models, notes))
        except TunerError as error:
            say(str(error))


def _remove_left_behind(models: Models) -> None:
    """Remove temporary models of processes of this machine that were killed half-way."""
    for name in models.names():
        found = _OURS.fullmatch(name)
        if found is None or found["machine"] != _machine():
            continue
        pid = int(found["pid"])
        if pid == os.getpid() or not psutil.pid_exists(pid):
            models.delete(name)


def _machine() -> str:
    """Return what tells this machine, or container, from others that use the same server."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


@contextlib.contextmanager
def _temporary(modelfile: Modelfile, models: Models, now: datetime) -> Iterator[str]:
    """Create the model under a name of this process alone; the name goes in any case.

    One that cannot be removed goes with the next `apply`.
    """
    name = f"{NEXT}:{now.strftime(STAMP)}-{_machine()}-{os.getpid()}"
    try:
        models.create(name, _body(modelfile, models))
        yield name
    finally:
        with contextlib.suppress(EngineError):
            models.delete(name)


def _note(name: str, coming: str, now: datetime, models: Models) -> Note:
    """Return what is about to be done."""
    digest = models.digest(coming)
    if digest is None:
        raise EngineError(f"Ollama created {coming} and does not list it; look at its log")
    kept = _kept(name, now) if models.digest(name) is not None else None
    return Note(name, digest, kept, now.isoformat(" ", "minutes"))


def _change_hands(note: Note, coming: str, models: Models) -> None:
    """Keep the old model under its dated name, and give the name to the coming one."""
    if note.kept is not None:
        models.copy(note.name, note.kept)
    models.copy(coming, note.name)


def _kept(name: str, now: datetime) -> str:
    return f"{name}{BEFORE}{now.strftime(STAMP)}"


def _body(modelfile: Modelfile, models: Models) -> dict[str, Any]:
    """Return the fields of the model; weights that FROM names as a file go to the server first."""
    body, weights = create_request(modelfile), Path(modelfile.base)
    if weights.is_file():
        del body["from"]
        body["files"] = {weights.name: models.upload(weights)}
    return body


def _write_service(proposal: Proposal) -> Path | None:
    if proposal.service is None:
        return None
    file, text = proposal.service
    path = proposal.folder / "service" / file
    with writing(path):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path
