"""The study file as it is written: `version: 1`, unknown keys refused.

pydantic lives here, in `parts`, `checked`, `server_file` and `workload_lines`; `tuner.spec.study`
turns it into values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    StrictInt,
    Tag,
    model_validator,
)

from tuner.spec.checked import validated
from tuner.spec.errors import InputError
from tuner.spec.parts import BRANCHES, Duration, Number, Part, Value, nearest, shape
from tuner.spec.remote_file import RemotePart
from tuner.spec.server_file import ServerPart
from tuner.spec.space import Choices
from tuner.spec.values import Arrivals

BUILT_ENGINES = ("llamacpp", "ollama", "openai", "command", "fake")
LATER_ENGINES = ("vllm",)
LATER_METRICS = ("throughput", "memory")
LATER_KEYS = ("engine.attach", "guard.check")
"""Keys of the design that belong to engines and checks of later versions."""


class EnginePart(ServerPart, RemotePart):
    """Which engine serves which model, where a running server is, and how one is started."""

    kind: str = "llamacpp"
    model: str | Annotated[tuple[str, ...], Field(min_length=1)] = "default"

    @model_validator(mode="after")
    def _known(self) -> EnginePart:
        check_engine(self.kind, self.url, has_command=bool(self.command))
        if not isinstance(self.model, str) and self.kind != "ollama":
            raise ValueError("a list of models to choose from needs engine ollama")
        return self


def check_engine(kind: str, url: object, *, has_command: bool) -> None:
    """Raise ValueError when there is no such engine, not yet, or the study lacks what it needs."""
    if kind in LATER_ENGINES:
        raise ValueError(f"engine {kind!r} is not built yet; {_built()}")
    if kind not in BUILT_ENGINES:
        raise ValueError(f"unknown engine {kind!r}; {_built()}{nearest(kind, BUILT_ENGINES)}")
    if kind == "openai" and not url:
        raise ValueError("engine openai is a server that runs: it needs url")
    if kind == "command" and not has_command:
        raise ValueError(
            "engine command starts a server of your own: it needs engine.command in the study "
            'file, a list such as [my-server, --port, "{{ port }}"]'
        )


def _built() -> str:
    return (
        "available: llamacpp, ollama, openai (a running server), command (a server of your own), "
        "fake (a pretend engine for trying out)"
    )


class DynamicPart(Part):
    """Rules that choose shots from the request text alone."""

    class Rule(Part):
        """Shots for texts that match."""

        match: str
        shots: tuple[str, ...]

    rules: tuple[Rule, ...]
    default: tuple[str, ...] = ()


Dynamic = Annotated[
    Annotated[DynamicPart, Tag(BRANCHES[0])] | Annotated[str, Tag(BRANCHES[1])],
    Discriminator(shape),
]


class PromptPart(Part):
    """What the prompt knobs choose from."""

    system: dict[str, str] = Field(default_factory=dict)
    shots: str | None = None
    dynamic: Dynamic | None = None


class LoadPart(Part):
    """How requests arrive."""

    concurrency: StrictInt = Field(1, ge=1, le=4096)
    rate: float | None = Field(None, gt=0)
    arrivals: Arrivals = "poisson"
    burstiness: float | None = Field(None, gt=0)
    client_processes: StrictInt = Field(1, ge=1, le=64)
    timeout: Duration = 30.0

    @model_validator(mode="after")
    def _fits(self) -> LoadPart:
        if self.burstiness is not None and self.arrivals != "gamma":
            raise ValueError("burstiness is the shape of gamma arrivals; add arrivals: gamma")
        if self.arrivals == "gamma" and self.rate is None:
            raise ValueError("gamma arrivals need a rate in requests a second")
        return self


class WorkloadPart(Part):
    """Prompts, what is expected of the answers, and the load."""

    prompts: str
    slots: str | None = None
    schema_: str | None = Field(None, alias="schema")
    prompt: PromptPart = PromptPart()
    load: LoadPart = LoadPart()


class SloPart(Part):
    """A bound on a quantile of a latency."""

    metric: str
    quantile: float = Field(0.99, gt=0, lt=1)
    max_ms: float = Field(gt=0)

    @model_validator(mode="after")
    def _known(self) -> SloPart:
        if self.metric in LATER_METRICS:
            raise ValueError(f"an SLO on {self.metric} is not built yet; use e2e, ttft or tpot")
        if self.metric not in ("e2e", "ttft", "tpot"):
            raise ValueError(f"unknown metric {self.metric!r}; use e2e, ttft or tpot")
        return self


class GuardPart(Part):
    """Floors on the answers."""

    min_valid: float | None = Field(None, gt=0, lt=1)
    min_correct: float | None = Field(None, gt=0, lt=1)
    max_drop: float | None = Field(None, ge=0, lt=1)


class RangePart(Part):
    """Numbers from low to high."""

    low: Number
    high: Number
    step: Number | None = None
    log: bool = False

    @model_validator(mode="after")
    def _not_empty(self) -> RangePart:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"step {self.step} does not fit between {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError("a log range must start above zero")
        if self.log and self.step is not None:
            raise ValueError("a log range has no step; leave out step or log")
        return self


def _once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    for number, value in enumerate(values):
        if Choices(values[:number]).contains(value):
            raise ValueError(f"{value!r} stands twice")
    return values


ChoicesPart = Annotated[tuple[Value, ...], Field(min_length=1), AfterValidator(_once)]


def _some_knob(space: dict[str, Any]) -> dict[str, Any]:
    if not space:
        raise ValueError("empty; name a knob to search, or leave the key out to measure only")
    return space


Dimension = Annotated[
    Annotated[RangePart, Tag(BRANCHES[0])] | Annotated[ChoicesPart, Tag(BRANCHES[1])],
    Discriminator(shape),
]
Space = Annotated[dict[str, Dimension], AfterValidator(_some_knob)]


class SearchPart(Part):
    """How long and how to search."""

    budget: Duration = 600.0
    sampler: Literal["tpe", "random"] = "tpe"
    seed: StrictInt = Field(0, ge=0)
    stop_when_met: bool = False


class ObjectivePart(Part):
    """What to make best among candidates that meet the SLO and the guard."""

    maximize: Literal["correct", "throughput"] | None = None
    minimize: Literal["e2e_p99", "ttft_p99", "memory"] | None = None

    @model_validator(mode="after")
    def _one(self) -> ObjectivePart:
        if (self.maximize is None) == (self.minimize is None):
            raise ValueError("name exactly one of maximize and minimize")
        return self


class ClaimPart(Part):
    """What a proof is asked to hold for."""

    starts: StrictInt | None = Field(None, ge=1, le=100)
    in_flight: Literal["together", "apart"] = "together"


class StudyFile(Part):
    """The whole file."""

    version: Literal[1]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    engine: EnginePart = EnginePart()
    workload: WorkloadPart
    slo: tuple[SloPart, ...] = ()
    guard: GuardPart = GuardPart()
    claim: ClaimPart = ClaimPart()
    baseline: dict[str, Value] = Field(default_factory=dict)
    space: Space = Field(default_factory=dict, json_schema_extra={"minProperties": 1})
    search: SearchPart = SearchPart()
    objective: ObjectivePart | None = None


_MAY_HOLD_KEYS = ("engine.url", "engine.api_key_env", "engine.headers")
"""What stands here by mistake may be a secret: no message repeats it."""


def check(content: Any, file: str) -> StudyFile:
    """Return the validated file; raise InputError with one sentence a problem."""
    if not isinstance(content, Mapping):
        raise InputError(
            f"{file}: expected a mapping with version, name, workload, found {content!r}"
        )
    later = dict.fromkeys(LATER_KEYS, f"not built yet; {_built()}")
    return validated(StudyFile, content, file, later=later, secret=_MAY_HOLD_KEYS)


def check_dynamic(content: Any, file: str) -> DynamicPart:
    """Return the validated rules of a file of their own; errors as `check`."""
    if not isinstance(content, Mapping):
        raise InputError(f"{file}: expected a mapping with rules and default, found {content!r}")
    return validated(DynamicPart, content, file)
