"""The study that a command line means: which file, and what options say on top of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuner.spec.beside import Limits
    from tuner.spec.study import Study


def read_study(path: Path | None, **overrides: Any) -> Study:
    """Return the study with the options on top: flag over environment over file."""
    from tuner.spec.shipped import studies
    from tuner.spec.study import load

    if path is None:
        path = Path("tune.yaml") if Path("tune.yaml").exists() else studies() / _packaged(overrides)
    return overridden(load(path), **overrides)


def _packaged(overrides: Mapping[str, Any]) -> str:
    """Return the packaged study for the engine that is asked for."""
    from tuner.engines.registry import attaching, kind_by_name
    from tuner.spec.engine_kinds import engine_kinds, kind_for
    from tuner.spec.shipped import PACKAGED_STUDY

    if overrides.get("attach") is not None:
        return attaching().packaged_study
    found = engine_kinds().get(overrides.get("engine") or "")
    if found is None and (model := overrides.get("model")):
        found = kind_for(model)
    return kind_by_name(found.name).packaged_study if found else PACKAGED_STUDY


def overridden(
    study: Study,
    *,
    target_p99: float | None = None,
    target_ttft_p99: float | None = None,
    engine: str | None = None,
    model: str | None = None,
    attach: str | None = None,
    url: str | None = None,
    engine_python: str | None = None,
    budget: float | None = None,
    seed: int | None = None,
    client_processes: int | None = None,
    sampler: str | None = None,
    objective: str | None = None,
    stop_when_met: bool | None = None,
    nice: int | None = None,
    cpus: tuple[int, ...] | int | None = None,
    memory: int | None = None,
) -> Study:
    """Return a study in which the given options replace what the file says."""
    study = _attached(study, attach, engine)
    if url is not None:
        from tuner.workflow.checking.serving import served_at

        study = served_at(study, url)
    study = _of_kind(study, engine, model)
    study = _in_python(study, engine_python)
    study = replace(study, limits=_limits(study.limits, nice, cpus, memory))
    slos = _with_target(study.slos, "e2e", target_p99)
    slos = _with_target(slos, "ttft", target_ttft_p99)
    _check_objective(objective, study)
    changed = {
        "budget_s": budget, "seed": seed, "sampler": sampler, "model": model,
        "objective": objective, "stop_when_met": stop_when_met,
    }  # fmt: skip
    given: dict[str, Any] = {name: value for name, value in changed.items() if value is not None}
    if client_processes is not None:
        load = replace(study.workload.load, client_processes=client_processes)
        given["workload"] = replace(study.workload, load=load)
    return replace(study, slos=slos, **given)


def _attached(study: Study, attach: str | None, engine: str | None) -> Study:
    """Return a study that a running server serves, where one is asked for."""
    if attach is None:
        return study
    from tuner.engines.registry import attaching

    kind = attaching(engine or study.engine)
    settings = study.engine_settings if kind.name == study.engine else None
    return replace(study, engine=kind.name, engine_settings=settings, url=kind.running(attach))


def _in_python(study: Study, python: str | None) -> Study:
    """Return a study whose engine is in the Python that an option names."""
    if python is None:
        return study
    from tuner.spec.engine_kinds import kind_named
    from tuner.spec.errors import InputError

    try:
        settings = kind_named(study.engine).in_python(study.engine_settings, python)
    except ValueError as wrong:
        raise InputError(f"--vllm-python: {wrong}") from None
    return replace(study, engine_settings=settings)


def _of_kind(study: Study, engine: str | None, model: str | None) -> Study:
    """Return a study of a kind of engine: as said, as its section declares, else by the model.

    What the section declares beyond that is only for its own kind.
    """
    from tuner.spec.engine_kinds import kind_for, kind_named
    from tuner.spec.errors import InputError

    kind = study.engine
    if engine is not None:
        kind = engine
    elif model is not None and study.engine_settings is None and (found := kind_for(model)):
        kind = found.name
    settings = study.engine_settings if kind == study.engine else None
    study = replace(study, engine=kind, engine_settings=settings, model=model or study.model)
    try:
        kind_named(kind).ensure_usable(study)
    except (InputError, ValueError) as wrong:
        raise InputError(f"--engine or --model: {wrong}") from None
    return study


def _limits(
    given: Limits | None,
    nice: int | None,
    cpus: tuple[int, ...] | int | None,
    memory: int | None,
) -> Limits | None:
    """Return the limits of the engine with options on top, None where there are none."""
    from tuner.spec.beside import Limits

    told: dict[str, Any] = {"nice": nice, "cpus": cpus, "memory_bytes": memory}
    found = replace(given or Limits(), **{n: v for n, v in told.items() if v is not None})
    return None if found == Limits() else found


def _check_objective(objective: str | None, study: Study) -> None:
    from tuner.spec.errors import InputError

    if objective == "correct" and not study.workload.expects:
        raise InputError("--objective correct: the workload needs `expect` on every prompt")


def _with_target(slos: tuple[Any, ...], metric: Any, target_ms: float | None) -> tuple[Any, ...]:
    """Return SLOs with a p99 target put first in place of the one on the same metric."""
    from tuner.spec.values import Slo

    if target_ms is None:
        return slos
    others = tuple(s for s in slos if (s.metric, s.quantile) != (metric, 0.99))
    return (Slo(metric, 0.99, target_ms / 1000), *others)
