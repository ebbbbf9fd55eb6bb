"""The study file as it is written: `version: 1`, unknown keys refused.

pydantic lives here and nowhere else; `tuner.spec.study` turns it into plain values.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from tuner.spec.errors import InputError

BUILT_ENGINES = ("llamacpp", "openai", "fake")
LATER_ENGINES = ("ollama", "vllm", "command")
LATER_METRICS = ("throughput", "memory")
LATER_KEYS = ("engine.command", "engine.knobs", "engine.ready", "engine.attach", "guard.check")
"""Keys of the design that belong to engines and checks of later versions."""

Value = StrictBool | StrictInt | StrictFloat | StrictStr


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def parse_duration(value: Any) -> float:
    """Return seconds from 90, "90s", "10m" or "1.5h"; raise ValueError otherwise."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        match = re.fullmatch(r"\s*([\d.]+)\s*(s|m|h)?\s*", str(value))
        if not match:
            raise ValueError("expected a duration such as 90s, 10m or 1h")
        seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600, None: 1}[match[2]]
    if seconds <= 0:
        raise ValueError("expected a duration above zero")
    return seconds


Duration = Annotated[float, BeforeValidator(parse_duration)]


class EnginePart(_Part):
    """Which engine serves which model."""

    kind: str = "llamacpp"
    model: str = "default"
    url: str | None = None

    @model_validator(mode="after")
    def _known(self) -> EnginePart:
        check_engine(self.kind, self.url)
        return self


def check_engine(kind: str, url: str | None) -> None:
    """Raise ValueError when there is no such engine, or not yet."""
    if kind in LATER_ENGINES:
        raise ValueError(f"engine {kind!r} is not built yet; {_built()}")
    if kind not in BUILT_ENGINES:
        raise ValueError(f"unknown engine {kind!r}; {_built()}{nearest(kind, BUILT_ENGINES)}")
    if kind == "openai" and not url:
        raise ValueError("engine openai measures a running server: it needs url")


def _built() -> str:
    return "available: llamacpp, openai (measure only), fake (a pretend engine for trying out)"


class DynamicPart(_Part):
    """Rules that choose shots from the request text alone."""

    class Rule(_Part):
        """Shots for texts that match."""

        match: str
        shots: tuple[str, ...]

    rules: tuple[Rule, ...]
    default: tuple[str, ...] = ()


class PromptPart(_Part):
    """What the prompt knobs choose from."""

    system: dict[str, str] = Field(default_factory=dict)
    shots: str | None = None
    dynamic: str | DynamicPart | None = None


class LoadPart(_Part):
    """How requests arrive."""

    concurrency: StrictInt = Field(1, ge=1, le=4096)
    rate: float | None = Field(None, gt=0)
    arrivals: Literal["poisson", "constant"] = "poisson"
    timeout: Duration = 30.0


class WorkloadPart(_Part):
    """Prompts, what is expected of the answers, and the load."""

    prompts: str
    slots: str | None = None
    schema_: str | None = Field(None, alias="schema")
    prompt: PromptPart = PromptPart()
    load: LoadPart = LoadPart()


class SloPart(_Part):
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


class GuardPart(_Part):
    """Floors on the answers."""

    min_valid: float | None = Field(None, gt=0, lt=1)
    min_correct: float | None = Field(None, gt=0, lt=1)
    max_drop: float | None = Field(None, ge=0, lt=1)


class RangePart(_Part):
    """Numbers from low to high."""

    low: StrictInt | StrictFloat
    high: StrictInt | StrictFloat
    step: StrictInt | StrictFloat | None = None
    log: bool = False

    @model_validator(mode="after")
    def _not_empty(self) -> RangePart:
        if self.low >= self.high:
            raise ValueError(f"low {self.low} is not below high {self.high}")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(f"step {self.step} does not fit between {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError("a log range must start above zero")
        return self


ChoicesPart = Annotated[tuple[Value, ...], Field(min_length=1)]


class SearchPart(_Part):
    """How long and how to search."""

    budget: Duration = 600.0
    sampler: Literal["tpe", "random"] = "tpe"
    seed: StrictInt = 0
    stop_when_met: bool = False


class ObjectivePart(_Part):
    """What to make best among candidates that meet the SLO and the guard."""

    maximize: Literal["correct", "throughput"] | None = None
    minimize: Literal["e2e_p99", "ttft_p99", "memory"] | None = None

    @model_validator(mode="after")
    def _one(self) -> ObjectivePart:
        if (self.maximize is None) == (self.minimize is None):
            raise ValueError("name exactly one of maximize and minimize")
        return self


class StudyFile(_Part):
    """The whole file."""

    version: Literal[1]
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    engine: EnginePart = EnginePart()
    workload: WorkloadPart
    slo: tuple[SloPart, ...] = ()
    guard: GuardPart = GuardPart()
    baseline: dict[str, Value] = Field(default_factory=dict)
    space: dict[str, Union[RangePart, ChoicesPart]] = Field(default_factory=dict)  # noqa: UP007
    search: SearchPart = SearchPart()
    objective: ObjectivePart | None = None


def check(content: Any, file: str) -> StudyFile:
    """Return the validated file; raise InputError with one sentence a problem."""
    if not isinstance(content, Mapping):
        raise InputError(
            f"{file}: expected a mapping with version, name, workload, found {content!r}"
        )
    try:
        return StudyFile.model_validate(dict(content))
    except ValidationError as invalid:
        problems = dict.fromkeys(_sentence(e) for e in invalid.errors())
        raise InputError("\n".join(f"{file}: {p}" for p in problems)) from None


def _sentence(error: Any) -> str:
    where = [str(p) for p in error["loc"] if not _is_branch(p)]
    key = ".".join(where) or "the file"
    if error["type"] == "extra_forbidden":
        if key in LATER_KEYS:
            return f"{key}: not built yet; {_built()}"
        allowed = _keys_at(where[:-1])
        return (
            f"{key}: unknown key {where[-1]!r}; allowed here: {', '.join(allowed)}"
            f"{nearest(where[-1], allowed)}"
        )
    if error["type"] == "missing":
        return f"{key}: missing; it is required"
    text = error["msg"].removeprefix("Value error, ")
    found = "" if isinstance(error["input"], Mapping) else f", found {error['input']!r}"
    return f"{key}: {text[0].lower() + text[1:]}{found}"


def _is_branch(part: Any) -> bool:
    """Tell whether a step of pydantic's location names a union's branch, not a key."""
    return isinstance(part, str) and (
        part.startswith(("tuple[", "RangePart", "DynamicPart"))
        or part in ("str", "bool", "int", "float")
    )


def _keys_at(path: list[str]) -> list[str]:
    """Return the keys that are allowed at a path of the file."""
    model: Any = StudyFile
    for step in path:
        if step.isdigit():
            continue
        model = _model_in(model.model_fields[_field(model, step)].annotation) if model else None
    if model is None:
        return []
    return [f.alias or name for name, f in model.model_fields.items()]


def _field(model: Any, key: str) -> str:
    return str(next(n for n, f in model.model_fields.items() if key in (n, f.alias)))


def _model_in(annotation: Any) -> Any:
    """Return the pydantic model inside an annotation such as tuple[SloPart, ...]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a))), None)


def nearest(word: str, allowed: Any) -> str:
    """Return "; did you mean X?" for the closest allowed word, or nothing."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""
