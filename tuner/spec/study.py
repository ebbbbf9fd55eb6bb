"""A study as values: what to serve, what to send, what to reach, where to search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tuner.spec.address import Url
from tuner.spec.beside import Beside, Limits
from tuner.spec.deploy import Deploy
from tuner.spec.engine_kinds import START_S, engine_kinds, kind_named
from tuner.spec.engine_section import Place
from tuner.spec.errors import InputError
from tuner.spec.file.beside_part import beside_of, limits_of
from tuner.spec.file.notify_part import notify_value
from tuner.spec.file.reading import read_text
from tuner.spec.file.study_file import (
    DeployPart,
    ObjectivePart,
    RangePart,
    StudyFile,
    check,
)
from tuner.spec.file.yaml_reading import STUDY_TEXTS, parsed_yaml
from tuner.spec.notify import Notify
from tuner.spec.requests.workload import Workload
from tuner.spec.requests.workload_files import read_workload
from tuner.spec.space import Choices, Dimension, Range, Space
from tuner.spec.values import Candidate, Claim, Guard, Slo

ERROR = 0.05
"""The chance that anything of a run is wrongly proven."""

Objective = Literal["correct", "throughput", "e2e_p99", "ttft_p99", "memory"]


@dataclass(frozen=True, slots=True)
class Study:
    """Everything a run needs to know, from the file and the options that override it.

    `engine_settings` is what the section `engine` says beyond kind, model and url; only the kind
    itself reads it. `limits` are those of an engine that `tune` starts; `beside` is about the
    production that it runs beside. `prompts` is the file of the workload. `error` is the chance
    that a run may prove anything wrongly; a round of several has a share of the whole.
    """

    name: str
    engine: str
    model: str
    workload: Workload
    url: Url | None = None
    engine_settings: Any = None
    slos: tuple[Slo, ...] = ()
    guard: Guard = field(default_factory=Guard)
    claim: Claim = field(default_factory=Claim)
    baseline: Candidate = field(default_factory=dict)
    space: Space = field(default_factory=dict)
    budget_s: float = 600.0
    sampler: Literal["tpe", "random"] = "tpe"
    seed: int = 0
    stop_when_met: bool = False
    objective: Objective = "e2e_p99"
    file: str = ""
    limits: Limits | None = None
    beside: Beside | None = None
    notify: Notify | None = None
    deploy: Deploy | None = None
    promote: Literal["auto", "ask"] = "auto"
    prompts: Path | None = None
    error: float = ERROR

    @property
    def one_start(self) -> bool:
        """Tell whether the server is somebody else's, so that no start of it can be asked for."""
        kind = engine_kinds().get(self.engine)
        if kind is None:
            return False
        return kind.one_start or (self.url is not None and not kind.reloads)

    @property
    def start_s(self) -> float:
        """Return the seconds that a start of the engine is expected to take."""
        kind = engine_kinds().get(self.engine)
        return START_S if kind is None else kind.start_s

    @property
    def certificate_checked(self) -> bool | None:
        """Tell whether a running server had to prove who it is, None where TLS is not used."""
        address = self.url.address if self.url else None
        return address.verify if address and address.secure else None


def load(path: Path) -> Study:
    """Read a study file and all that it names; raise InputError with what to mend."""
    content = _content(path)
    return from_file(check(content, str(path)), path)


def from_file(parsed: StudyFile, path: Path) -> Study:
    """Return the study of a parsed file whose other files lie beside `path`."""
    folder, file = path.parent, str(path)
    kind = engine_kinds()[parsed.engine.kind]
    declared = kind.declared(parsed.engine, Place(folder, file, parsed.baseline))
    workload = read_workload(parsed.workload, folder, file)
    return Study(
        name=parsed.name,
        engine=parsed.engine.kind,
        model=parsed.engine.source(parsed.engine.models[0], folder),
        url=declared.url,
        engine_settings=declared.settings,
        workload=workload,
        slos=tuple(Slo(s.metric, s.quantile, s.max_ms / 1000) for s in parsed.slo),  # type: ignore[arg-type]
        guard=_guard(parsed, workload, file),
        claim=_claim(parsed, file),
        baseline=dict(parsed.baseline),
        space=_space(parsed.space) | _model_space(parsed, folder),
        budget_s=parsed.search.budget,
        sampler=parsed.search.sampler,
        seed=parsed.search.seed,
        stop_when_met=parsed.search.stop_when_met,
        objective=_objective(parsed.objective, workload, file),
        file=file,
        limits=limits_of(parsed.beside),
        beside=beside_of(parsed.beside),
        notify=notify_value(parsed.notify, folder, file),
        deploy=_deploy(parsed.deploy, folder),
        promote=parsed.promote,
        prompts=folder / parsed.workload.prompts,
    )


def _content(path: Path) -> Any:
    try:
        return parsed_yaml(read_text(path, str(path)), path, STUDY_TEXTS)
    except FileNotFoundError:
        raise InputError(f"{path}: no such study file") from None


def _model_space(parsed: StudyFile, folder: Path) -> dict[str, Dimension]:
    """Return the model as a knob where the study names several to choose from."""
    models = tuple(parsed.engine.source(model, folder) for model in parsed.engine.models)
    return {"model": Choices(models)} if len(models) > 1 else {}


def _guard(parsed: StudyFile, workload: Workload, file: str) -> Guard:
    g = parsed.guard
    if (g.min_correct is not None or g.max_drop is not None) and not workload.expects:
        raise InputError(
            f"{file}: guard.min_correct and guard.max_drop compare answers with `expect`, which "
            "some prompts lack; add it to every prompt or drop these two floors"
        )
    return Guard(g.min_valid, g.min_correct, g.max_drop)


def _claim(parsed: StudyFile, file: str) -> Claim:
    claim = parsed.claim
    if claim.starts not in (None, 1) and kind_named(parsed.engine.kind).one_start:
        raise InputError(
            f"{file}: claim.starts: {claim.starts} engine starts cannot be had of a server that "
            "`tune` does not start; leave it out"
        )
    return Claim(claim.starts, claim.in_flight)


def _deploy(part: DeployPart | None, folder: Path) -> Deploy | None:
    if part is None:
        return None
    return Deploy((folder / part.folder).absolute(), part.reload, part.health, part.within)


def _objective(part: ObjectivePart | None, workload: Workload, file: str) -> Objective:
    if part is None:
        return "correct" if workload.expects else "e2e_p99"
    if part.maximize == "correct" and not workload.expects:
        raise InputError(f"{file}: objective.maximize: correct needs `expect` on every prompt")
    return part.maximize or part.minimize or "e2e_p99"


def _space(parts: Mapping[str, Any]) -> dict[str, Dimension]:
    space: dict[str, Dimension] = {}
    for name, part in parts.items():
        if isinstance(part, RangePart):
            space[name] = Range(part.low, part.high, part.step, part.log)
        else:
            space[name] = Choices(tuple(part))
    return space
