"""Strategies as they are asked for, on the command line or in a file, become setups."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase

from tuner.advice.cost.memory import of_size, parse_params
from tuner.advice.cost.values import Format, Model, Setup, Strategy
from tuner.advice.roofline import weights_bytes
from tuner.spec.errors import InputError
from tuner.spec.file.checked import validated
from tuner.spec.file.yaml_reading import parsed_setting
from tuner.workflow.advising.entries import Entries, StrategyPart, by_name
from tuner.workflow.advising.gpus import hardware

_TEXTS = ("name", "format", "gpu", "params", "hits", "engine", "effort", "quality", "note")


def tried(text: str) -> StrategyPart:
    """Return a strategy from KEY=VALUE,KEY=VALUE; raise InputError."""
    given: dict[str, object] = {}
    for part in text.split(","):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not key or not value:
            raise InputError(
                f"--try: expected KEY=VALUE,... such as gpu=A10G,price=1, found {text!r}"
            )
        if key in given:
            raise InputError(f"--try: {key} stands twice in {text!r}; keep one of them")
        given[key] = value if key in _TEXTS else parsed_setting(value, "--try")
    found = validated(StrategyPart, given, "--try", whole=text)
    if not found.changed:
        raise InputError(f"--try: {text!r} changes nothing")
    return found


def strategies(
    parts: Sequence[StrategyPart], today: Setup, entries: Entries
) -> tuple[Strategy, ...]:
    """Return the strategies, labelled A, B, C, ...; raise InputError for what is not known."""
    if len(parts) > len(ascii_uppercase):
        raise InputError(f"{len(parts)} strategies; compare at most {len(ascii_uppercase)} at once")
    return tuple(
        _strategy(label, part, today, entries)
        for label, part in zip(ascii_uppercase, parts, strict=False)
    )


def _strategy(label: str, part: StrategyPart, today: Setup, entries: Entries) -> Strategy:
    where = f"strategy {label}"
    format_ = today.format
    if part.format is not None:
        format_ = by_name(part.format, entries.formats, f"{where}: unknown format")
    takes = today.takes
    if part.engine is not None:
        takes = by_name(part.engine, entries.engines, f"{where}: unknown engine")
    setup = Setup(
        _model(part, today.model, format_, where),
        format_,
        hardware(part.gpu, entries, where) if part.gpu else today.hardware,
        _price(part, today, entries),
        takes,
        part.hits or today.hits,
    )
    return Strategy(
        label, part.name or _name(part, setup), setup, part.changed, part.effort, part.quality,
        part.note,
    )  # fmt: skip


def _model(
    part: StrategyPart, today: Model | None, format_: Format | None, where: str
) -> Model | None:
    if part.params is None and part.format is None:
        return today
    if format_ is None:
        raise InputError(f"{where}: params needs a format: name one there, or with --format")
    if part.params is not None:
        return of_size(part.params, parse_params(part.params), format_.bits)
    if today is None:
        return None
    return Model(today.name, today.params, weights_bytes(today.params, format_.bits), today.cached)


def _price(part: StrategyPart, today: Setup, entries: Entries) -> float | None:
    """Return the price that is said; other hardware has none of itself, unless an entry says it."""
    if part.price is not None:
        return float(part.price)
    return entries.prices.get(part.gpu.lower()) if part.gpu else today.price


def _name(part: StrategyPart, setup: Setup) -> str:
    words = [
        part.params,
        setup.format.name if part.format and setup.format else None,
        part.gpu,
        setup.takes.engine if part.engine and setup.takes else None,
        f"${part.price:g}/h" if part.price else None,
        f"cache {part.hits:.0%}" if part.hits else None,
    ]
    return " ".join(word for word in words if word)
