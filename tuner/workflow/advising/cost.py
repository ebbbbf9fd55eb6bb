"""`tune cost`: today's setup and the strategies beside it, from figures, a model or a result."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tuner.advice.cost.compared import Compared, compared
from tuner.advice.cost.memory import of_size, parse_params
from tuner.advice.cost.values import Api, Demand, Format, Measured, Model, Setup, Takes
from tuner.spec.errors import InputError
from tuner.workflow.advising.entries import Entries, StrategyPart, by_name, read_entries
from tuner.workflow.advising.gpus import hardware
from tuner.workflow.advising.strategies import strategies, tried


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person says of what serves, and what they would try; None is not said.

    `per_hour` are requests, prices are $ an hour, those of an API $ per million tokens.
    """

    per_hour: float
    result: Path | None = None
    params: str | None = None
    model: Path | None = None
    format: str | None = None
    gpu: str | None = None
    engine: str | None = None
    price: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    in_flight: int | None = None
    context: float | None = None
    api: Api | None = None
    tries: tuple[str, ...] = ()
    entries: Path | None = None


def costs(asked: Asked) -> Compared:
    """Return what today's setup costs, and each strategy; raise InputError for what is missing."""
    entries = read_entries(asked.entries)
    measured, demand, engine = _measured(asked)
    today = _today(replace(asked, engine=asked.engine or engine), entries, told=asked.engine)
    _ensure_enough(today, demand, asked.api)
    wanted: tuple[StrategyPart, ...] = (*map(tried, asked.tries), *entries.strategies)
    found = strategies(wanted, today, entries)
    return compared(today, found, demand, measured, asked.api)


def _ensure_enough(today: Setup, demand: Demand, api: Api | None) -> None:
    """Raise InputError where a figure is missing without which the rest would mislead."""
    if today.price is None:
        raise InputError(
            "--price is missing: what does an hour of the instance cost, in $? `tune` knows no "
            "prices"
        )
    if demand.context is not None and (demand.tokens or 0) > demand.context:
        raise InputError(
            f"--num-ctx {demand.context:g} does not hold a request with its answer, which are "
            f"{demand.tokens:g} tokens"
        )
    if api is not None and demand.tokens is None:
        raise InputError(
            "--api needs to know the tokens of a request; add --input-tokens and --output-tokens"
        )


def _measured(asked: Asked) -> tuple[Measured | None, Demand, str | None]:
    """Return what was measured, the demand, and the engine that a result names."""
    demand = Demand(
        asked.per_hour, asked.input_tokens, asked.output_tokens, asked.in_flight or 1, asked.context
    )
    if asked.result is None:
        return None, demand, None
    from tuner.workflow.advising.measured import read  # reads results: search and engines come in

    found = read(asked.result)
    demand = replace(
        demand,
        input_tokens=_first(asked.input_tokens, found.input_tokens),
        output_tokens=_first(asked.output_tokens, found.output_tokens),
        in_flight=asked.in_flight or found.measured.in_flight,
    )
    return found.measured, demand, found.engine


def _first(told: float | None, found: float | None) -> float | None:
    return found if told is None else told


def _today(asked: Asked, entries: Entries, told: str | None) -> Setup:
    format_ = (
        by_name(asked.format, entries.formats, "--format: unknown format") if asked.format else None
    )
    model = None
    if asked.model is not None:
        model, format_ = _from_gguf(asked.model, format_, entries)
    elif asked.params is not None:
        model = _from_size(asked.params, format_)
    on = hardware(asked.gpu, entries, "--gpu") if asked.gpu else None
    price = entries.prices.get(asked.gpu.lower()) if asked.gpu else None
    return Setup(
        model, format_, on, price if asked.price is None else asked.price,
        _takes(asked.engine, entries, strict=told is not None),
    )  # fmt: skip


def _takes(engine: str | None, entries: Entries, *, strict: bool) -> Takes | None:
    """Return which files an engine takes; one that only a result names may be unknown."""
    if engine is None:
        return None
    if not strict:
        return entries.engines.get(engine.lower())
    return by_name(engine, entries.engines, "--engine: unknown engine")


def _from_size(params: str, format_: Format | None) -> Model:
    try:
        count = parse_params(params)
    except ValueError as wrong:
        raise InputError(f"--params: {wrong}, found {params!r}") from None
    if format_ is None:
        raise InputError("--format is missing: how are the weights written, such as Q8_0 or BF16?")
    return of_size(params.strip(), count, format_.bits)


def _from_gguf(path: Path, told: Format | None, entries: Entries) -> tuple[Model, Format]:
    from tuner.workflow.advising.model_file import read  # reads GGUF: engines come in

    return read(path, told, entries)
