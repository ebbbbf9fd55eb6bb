"""Put a result into service: a model under the name that clients use, and the way back.

The name changes hands in one call. Until then the old model serves, whatever happens; after
it the old one is still there under a dated tag.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from tuner.render.create_request import create_request
from tuner.render.diff import Change, changes, inheriting
from tuner.render.modelfile import Modelfile, load, parse
from tuner.render.service import Target, environment_of, service_file, steps
from tuner.spec.errors import EngineError, InputError
from tuner.spec.model_name import ensure_name, shown
from tuner.workflow.folder import writing

STAMP = "%Y%m%dT%H%M%S"
NEXT = "modelfile-tuner-next"
_BEFORE = "-before-"


class Models(Protocol):
    """The models of a server, as `tuner.engines.ollama_models.OllamaModels` has them."""

    def names(self) -> list[str]:
        """Return the names of all models, each with its tag."""
        ...

    def digest(self, name: str) -> str | None:
        """Return the digest of a model, None where it is not there."""
        ...

    def modelfile(self, name: str) -> str:
        """Return the Modelfile of a model."""
        ...

    def create(self, name: str, body: Mapping[str, Any]) -> None:
        """Create a model from the fields of its Modelfile."""
        ...

    def upload(self, file: Path) -> str:
        """Send a file of weights to the server; return its digest."""
        ...

    def copy(self, source: str, destination: str) -> None:
        """Give a model another name as well."""
        ...

    def delete(self, name: str) -> None:
        """Remove a name."""
        ...


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
    name = _listed(name, models)
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


def _listed(name: str, models: Models) -> str:
    """Return a name as the server has it: Ollama tells no case apart when it replaces a model."""
    wanted = shown(name)
    return next((n for n in models.names() if n.casefold() == wanted.casefold()), wanted)


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
    """What was done: `kept` is the name of what served before, None where there was nothing."""

    name: str
    kept: str | None
    service_file: Path | None


def apply(proposal: Proposal, models: Models, now: datetime) -> Applied:
    """Put a proposal into service; the name changes hands in the last step but one.

    The temporary model goes in any case; one that cannot be removed goes with the next `apply`.
    Raises EngineError where Ollama refuses; the old model then serves as before.
    """
    made = _write_service(proposal)
    coming = f"{NEXT}:{now.strftime(STAMP)}"
    for left_behind in (n for n in models.names() if n.startswith(f"{NEXT}:")):
        models.delete(left_behind)  # by an `apply` that was killed half-way
    models.create(coming, _body(proposal.modelfile, models))
    try:
        kept = _change_hands(proposal.name, coming, now, models)
    finally:
        with contextlib.suppress(EngineError):
            models.delete(coming)
    return Applied(proposal.name, kept, made)


def _change_hands(name: str, coming: str, now: datetime, models: Models) -> str | None:
    """Give the name to the coming model; return what keeps the old one, None without one."""
    kept = _kept(name, now) if models.digest(name) is not None else None
    if kept is not None:
        models.copy(name, kept)
    try:
        models.copy(coming, name)
    except EngineError:
        with contextlib.suppress(EngineError):
            if kept is not None and models.digest(name) == models.digest(kept):
                models.delete(kept)  # or `rollback` would bring back what serves
        raise
    return kept


def _kept(name: str, now: datetime) -> str:
    return f"{name}{_BEFORE}{now.strftime(STAMP)}"


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


def roll_back(name: str, models: Models) -> str:
    """Bring back what served under a name before the last `apply`; return where it was kept.

    Raises InputError where nothing was kept.
    """
    whole = _listed(name, models)
    dated = re.compile(re.escape(f"{whole}{_BEFORE}") + r"\d{8}T\d{6}", re.IGNORECASE)
    kept = sorted(filter(dated.fullmatch, models.names()), key=str.casefold)
    if not kept:
        raise InputError(
            f"nothing was kept of what served as {whole} before: there is no {whole}{_BEFORE}DATE"
        )
    _bring_back(kept[-1], whole, models)
    return kept[-1]


def _bring_back(kept: str, name: str, models: Models) -> None:
    models.copy(kept, name)
    models.delete(kept)


def take_back(applied: Applied, models: Models) -> str:
    """Undo an `apply`; return a sentence that says what serves now."""
    if applied.kept is None:
        models.delete(applied.name)
        return f"rolled back: {applied.name} is removed, nothing served as it before"
    _bring_back(applied.kept, applied.name, models)
    return f"rolled back: {applied.name} is what it was before"
