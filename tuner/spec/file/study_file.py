"""The study file as it is written: `version: 1`, unknown keys refused.

pydantic lives here, in `parts`, `notify_part`, `checked`, `server_file` and `workload_lines`;
`tuner.spec.study` turns it into values.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from functools import cache, reduce
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictInt,
    Tag,
    WithJsonSchema,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from tuner.spec.address import Url, url
from tuner.spec.deploy import WITHIN_S, words
from tuner.spec.engine_kinds import available, default_kind, engine_kinds, unknown
from tuner.spec.engine_section import EngineSection
from tuner.spec.errors import InputError
from tuner.spec.file.beside_part import BesidePart
from tuner.spec.file.checked import validated
from tuner.spec.file.notify_part import NotifyPart
from tuner.spec.file.parts import BRANCHES, Duration, Number, Part, Value, branch, shape
from tuner.spec.space import Choices
from tuner.spec.values import Arrivals

LATER_METRICS = ("throughput", "memory")
LATER_KEYS = ("engine.attach", "guard.check")
"""Keys of the design that belong to engines and checks of later versions."""


class _UnknownEngine(EngineSection):
    """A section whose kind is not there."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    @field_validator("kind", mode="before")
    @classmethod
    def _unknown(cls, kind: Any) -> Any:
        raise ValueError(unknown(kind))


def _branch(section: Any) -> str | None:
    """Return the branch of the union that a section belongs to, by its kind."""
    if isinstance(section, EngineSection):
        return branch(section.kind)
    if not isinstance(section, Mapping):
        return None
    kind = section.get("kind", default_kind())
    return branch(kind) if kind in engine_kinds() else branch()


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


_WORD = {"anyOf": [{"type": "string"}, {"type": "number"}]}
_COMMAND = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "minItems": 1, "items": _WORD},
    ]
}


def _url(value: Any) -> Any:
    return value if isinstance(value, Url) else url(str(value))


class ClaimPart(Part):
    """What a proof is asked to hold for."""

    starts: StrictInt | None = Field(None, ge=1, le=100)
    in_flight: Literal["together", "apart"] = "together"


class DeployPart(Part):
    """The folder from which the files of a result serve, and how they come to."""

    folder: str = Field(min_length=1)
    reload: Annotated[tuple[str, ...], BeforeValidator(words), WithJsonSchema(_COMMAND)]
    health: Annotated[Url, BeforeValidator(_url), WithJsonSchema({"type": "string"})]
    within: Duration = WITHIN_S


class StudyFile(Part):
    """The whole file."""

    version: Literal[1]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    engine: EngineSection
    workload: WorkloadPart
    slo: tuple[SloPart, ...] = ()
    guard: GuardPart = GuardPart()
    claim: ClaimPart = ClaimPart()
    baseline: dict[str, Value] = Field(default_factory=dict)
    space: Space = Field(default_factory=dict, json_schema_extra={"minProperties": 1})
    search: SearchPart = SearchPart()
    objective: ObjectivePart | None = None
    beside: BesidePart | None = None
    notify: NotifyPart | None = None
    deploy: DeployPart | None = None
    promote: Literal["auto", "ask"] = "auto"


@cache
def study_file() -> type[StudyFile]:
    """Return the model of the file with the sections of all kinds of engine that are installed."""
    kinds = engine_kinds().items()
    hidden: Any = SkipJsonSchema()  # type: ignore[type-arg]  # what is refused is not offered
    known = [Annotated[k.section, Tag(branch(n))] for n, k in kinds if k.offered]
    others = [Annotated[k.section, Tag(branch(n)), hidden] for n, k in kinds if not k.offered]
    section: Any = reduce(
        operator.or_, (*known, *others, Annotated[_UnknownEngine, Tag(branch()), hidden])
    )
    by_kind = Discriminator(
        _branch, custom_error_type="mapping", custom_error_message="expected a mapping"
    )
    default = Field(default_factory=_default_engine, discriminator=by_kind)
    return create_model("StudyFile", __base__=StudyFile, engine=(section, default))


def _default_engine() -> EngineSection:
    return engine_kinds()[default_kind()].section.model_validate({})


MAY_HOLD_KEYS = (
    "engine.url", "engine.api_key_env", "engine.headers", "notify", "deploy.reload",
)  # fmt: skip
"""What stands here by mistake may be a secret: no message repeats it."""


def check(content: Any, file: str) -> StudyFile:
    """Return the validated file; raise InputError with one sentence a problem."""
    if not isinstance(content, Mapping):
        raise InputError(
            f"{file}: expected a mapping with version, name, workload, found {content!r}"
        )
    later = dict.fromkeys(LATER_KEYS, f"not built yet; {available()}")
    refused = later | _of_another_kind(content.get("engine"))
    return validated(study_file(), content, file, refused=refused, secret=MAY_HOLD_KEYS)


def _of_another_kind(section: Any) -> dict[str, str]:
    """Return what to say of each key of the section that only other kinds of engine have."""
    if not isinstance(section, Mapping):
        return {}
    kind = section.get("kind", default_kind())
    found: dict[str, str] = {}
    for key in section:
        others = [n for n, k in engine_kinds().items() if key in k.section.model_fields]
        if others:
            instead = f"kind: {others[0]}" if len(others) == 1 else "another kind"
            found[f"engine.{key}"] = (
                f"belongs to kind {' or '.join(others)}, found kind {kind!r}; set {instead} or "
                f"remove {key}"
            )
    return found


def check_dynamic(content: Any, file: str) -> DynamicPart:
    """Return the validated rules of a file of their own; errors as `check`."""
    if not isinstance(content, Mapping):
        raise InputError(f"{file}: expected a mapping with rules and default, found {content!r}")
    return validated(DynamicPart, content, file)
