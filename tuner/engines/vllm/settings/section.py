"""The keys with which a study file says how vLLM is started."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictStr, field_validator, model_validator

from tuner.engines.vllm.settings.arguments import FlagValue, in_file
from tuner.engines.vllm.settings.knobs import FLAGS, VARIABLES
from tuner.spec.engine_section import DEFAULT_MODEL, EngineSection
from tuner.spec.errors import InputError
from tuner.spec.file.parts import Duration, Word

OURS = ("host", "port", "uds", "model", "config", "headless", "grpc", "api-server-count")
"""Flags that `tune` sets itself, or that would make another kind of server."""

START_TIMEOUT_S = 900.0
"""A first start may compile for many minutes."""


def _flags(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError("expected a mapping as in vllm.yaml, such as {tensor-parallel-size: 2}")
    return {_name(name): _given(name, given) for name, given in value.items()}


def _name(name: Any) -> str:
    found = str(name).removeprefix("--").replace("_", "-")
    if not re.fullmatch(r"[a-z][a-z0-9.-]*", found):
        raise ValueError(f"{name!r} cannot name a flag; expected a long name without dashes first")
    if found in OURS:
        raise ValueError(f"{found} is set by the tuner itself; remove it")
    if found in FLAGS:
        knob = FLAGS[found]
        raise ValueError(f"{found} is the knob {knob}; set it as baseline.{knob}")
    return found


def _given(name: Any, given: Any) -> FlagValue:
    if given is None or not isinstance(given, bool | int | float | str | Mapping | list | tuple):
        raise ValueError(f"{name}: expected a value, a list or a mapping, found {given!r}")
    try:
        in_file(str(name), given)
    except InputError as unwritable:
        raise ValueError(str(unwritable)) from None
    return given


class VllmSection(EngineSection):
    """The section `engine` of kind vllm; of several models the search chooses one."""

    kind: Literal["vllm"] = Field(description="The kind of engine.")
    model: str | Annotated[tuple[str, ...], Field(min_length=1)] = Field(  # type: ignore[assignment]
        DEFAULT_MODEL,
        description="Folder of the model as Hugging Face has it, or its name there; or a list to "
        "choose from.",
    )
    url: str | None = Field(
        None, description="Where a running vLLM is, to use that one: http://HOST:PORT."
    )
    python: str | None = Field(
        None, description="The Python that has vLLM, where `vllm` is not in PATH."
    )
    flags: Annotated[dict[str, Any], BeforeValidator(_flags)] = Field(
        default_factory=dict,
        description="Further flags of `vllm serve`, as in vllm.yaml: they are the same for all "
        "candidates, and go into service.",
    )
    env: dict[str, Word] = Field(
        default_factory=dict,
        description="Environment of the server. A secret stays in yours, which it inherits.",
    )
    served_name: StrictStr | None = Field(
        None, description="The name by which requests ask for the model."
    )
    start_timeout: Duration = Field(START_TIMEOUT_S, description="Time that a start may take.")

    @property
    def models(self) -> tuple[str, ...]:
        """Return the models to choose from."""
        return (self.model,) if isinstance(self.model, str) else self.model

    def source(self, model: str, folder: Path) -> str:
        """Return where a model is: a folder beside the study file, or as it is named."""
        beside = folder / model
        return str(beside) if beside.is_dir() else model

    @field_validator("env")
    @classmethod
    def _no_knob(cls, env: dict[str, Any]) -> dict[str, Any]:
        for name in env:
            if name in VARIABLES:
                raise ValueError(
                    f"{name} is the knob {VARIABLES[name]}; set it as baseline.{VARIABLES[name]}"
                )
            if re.search(r"TOKEN|KEY|SECRET|PASSWORD", name):
                raise ValueError(
                    f"{name}: a secret belongs in no file; export it, and the server inherits it"
                )
        return env

    @model_validator(mode="after")
    def _one_server(self) -> VllmSection:
        starts = self.python, self.flags, self.env
        if self.url is not None and any(starts):
            raise ValueError("url is a server that runs; python, flags and env are for our own")
        return self


@dataclass(frozen=True, slots=True)
class Fixed:
    """What a study says of all starts alike.

    `python` has vLLM, None to look in PATH. `served_name` is what requests call the model. `notes`
    say what was translated for the installed version, or left out.
    """

    python: str | None = None
    flags: Mapping[str, FlagValue] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    served_name: str | None = None
    start_timeout_s: float = START_TIMEOUT_S
    notes: tuple[str, ...] = ()


def fixed(section: VllmSection, folder: Path, file: str) -> Fixed:
    """Return what a section says; raise InputError for a Python that is not there."""
    return Fixed(
        _python(section.python, folder, file),
        section.flags,
        {name: str(value) for name, value in section.env.items()},
        section.served_name,
        section.start_timeout,
    )


def _python(told: str | None, folder: Path, file: str) -> str | None:
    """Return the path of a Python, which may stand relative to the study."""
    if told is None:
        return None
    path = folder / Path(told).expanduser()
    if not path.is_file():
        raise InputError(f"{file}: engine.python: no file {path}; name the Python that has vLLM")
    return str(path)  # not resolved: a virtual environment is known by the link's own place
