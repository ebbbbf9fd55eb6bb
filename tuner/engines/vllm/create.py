"""From a study to an engine over vLLM."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tuner.engines.base import Preview
from tuner.engines.memory import room
from tuner.engines.vllm.attached import KNOBS_OF_REQUESTS, LEFT_OUT, VllmAttached
from tuner.engines.vllm.engine import Vllm
from tuner.engines.vllm.installed.flags.command_line import Given, checked
from tuner.engines.vllm.installed.flags.flag import Flags
from tuner.engines.vllm.installed.flags.installed_flags import (
    installed_flags,
    installed_variables,
)
from tuner.engines.vllm.installed.flags.variables import checked_environment
from tuner.engines.vllm.installed.program import Installation, find
from tuner.engines.vllm.model import served_model
from tuner.engines.vllm.settings.arguments import FlagValue, arguments
from tuner.engines.vllm.settings.command import telling
from tuner.engines.vllm.settings.knobs import cpu_cache_bytes, knobs, of_version
from tuner.engines.vllm.settings.section import Fixed
from tuner.engines.vllm.settings.using import Using
from tuner.machine.gpus import has_gpu
from tuner.spec.errors import EngineMissing
from tuner.spec.knobs import Knob
from tuner.spec.space import Choices
from tuner.spec.study import Study

CACHE = "vllm-cache"
"""The folder beside a run's engine logs that keeps what vLLM compiled."""


def create(study: Study, logs: Path) -> Vllm | VllmAttached:
    """Return the engine for the model of a study, with a server of our own or a running one.

    Raises EngineMissing, and InputError for a flag or a variable that the installed vLLM does
    not have.
    """
    told = study.engine_settings or Fixed()
    if study.url is not None:
        return VllmAttached(study.url, study.model, told.served_name)
    using = _using(study, told)
    model = served_model(study.model)
    using = replace(using, manifests=_others(study))
    return Vllm(model, using, logs, (logs / CACHE).absolute(), limits=study.limits)


def preview(study: Study) -> Preview:
    """Return what shows without starting a server; raise InputError as `create` does."""
    told = study.engine_settings or Fixed()
    if study.url is not None:
        return Preview(KNOBS_OF_REQUESTS, left_out=LEFT_OUT)
    try:
        using = _using(study, told)
    except EngineMissing as error:
        return Preview(_knobs(study.model), (str(error),))
    return Preview(using.knobs, left_out=using.left_out)


def _using(study: Study, told: Fixed) -> Using:
    """Return the installed vLLM, and what a study says of all its starts as it understands it."""
    installation = find(told.python)
    flags = _flags(installation)
    fixed = _checked(told, flags, installation)
    found, left_out = of_version(_knobs(study.model), flags)
    return Using(installation, fixed, found, left_out, telling(fixed, flags))


def _others(study: Study) -> dict[str, str | None]:
    """Return the digest of each model that a candidate may name."""
    chosen = study.space.get("model")
    names = chosen.values if isinstance(chosen, Choices) else (study.model,)
    return {str(name): served_model(str(name)).digest for name in names}


def _knobs(model: str) -> dict[str, Knob]:
    return knobs(model, None if has_gpu() else cpu_cache_bytes(room().total))


def _flags(installation: Installation) -> Flags:
    return installed_flags(installation.help, installation.package, installation.version)


def _checked(told: Fixed, flags: Flags, installation: Installation) -> Fixed:
    """Return what a study says of all starts, as the installed version understands it."""
    said = checked(arguments(told.flags), flags)
    known = installed_variables(installation.package)
    environment = checked_environment(told.env, known, installation.version)
    taken = (f"{name} is not set: {why}" for name, why in environment.unset.items())
    return replace(
        told,
        flags=dict(map(_flag, said.given)) if said.translated else told.flags,
        env=environment.variables,
        notes=(*said.translated, *taken),
    )


def _flag(given: Given) -> tuple[str, FlagValue]:
    """Return a flag of the command line as a study has it: its name, and what it is given."""
    name = f"{given.name}.{given.keys}" if given.keys else given.name
    if len(given.values) == 1:
        return name.removeprefix("--"), given.values[0]
    return name.removeprefix("--"), given.values or not given.off
