"""The PARAMETERs of a first study: the baseline, and a space around it that fits the machine.

Other engines that speak Ollama's words use it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.engines.first_space import (
    ABOVE_LIMITS,
    ABOVE_STAND_IN,
    OUTPUT_LIMIT,
    joined,
    output_limits,
    powers,
    up_to_one,
)
from tuner.engines.first_study import Line, Machine, Origin, lines
from tuner.modelfile.parameters import KINDS
from tuner.spec.errors import InputError
from tuner.spec.knobs import Knob

_MEMORY_SHARE = 0.8
"""Of the free memory; the rest is for compute buffers and whatever else runs."""

_SMALLEST_CONTEXT = 512
_UNKNOWN_CONTEXT = 4096
"""Ollama's default window, where neither the model nor the memory says how long one may be."""

_IN_BASELINE = ("num_batch", "temperature", "top_k", "top_p")


def numbers(knobs: Mapping[str, Knob]) -> frozenset[str]:
    """Return the PARAMETERs that are knobs of an engine and take a number."""
    return frozenset(n for n in knobs if KINDS.get(n) in {"int", "float"})


def baseline(origin: Origin, knobs: Mapping[str, Knob]) -> dict[str, int | float]:
    """Return the knobs that the Modelfile sets, with the engine's defaults for those searched.

    Raises InputError for a value below the least that has a meaning.
    """
    context = int(knobs["num_ctx"].default)
    found: dict[str, int | float] = {
        "num_ctx": min(context, origin.train_ctx or context),
        "num_predict": OUTPUT_LIMIT,
        **{name: _number(knobs[name].default) for name in _IN_BASELINE},
    }
    for name, value in origin.parameters:
        if name in numbers(knobs):
            found[name] = int(value) if KINDS[name] == "int" else float(value)
            _ensure_usable(knobs[name], found[name], origin.label)
    if found["num_predict"] <= 0:
        found["num_predict"] = -1  # 0 and below all mean: no limit
    if found.get("num_thread", 1) < 1:
        del found["num_thread"]  # 0 means: as many as there are cores, which is the default here
    return found


def _number(value: Any) -> int | float:
    assert isinstance(value, int | float)
    return value


def _ensure_usable(knob: Knob, value: float, label: str) -> None:
    if knob.least is not None and value < knob.least:
        raise InputError(
            f"{label}: PARAMETER {knob.name} {value:g}: expected {knob.least:g} or more; correct "
            "the line or take it out, then run `tune init` again"
        )


def baseline_lines(values: Mapping[str, int | float], origin: Origin) -> dict[str, Line]:
    """Return a baseline with the comments that it needs."""
    stands_in = "num_predict" not in dict(origin.parameters)
    comments = {"num_predict": Line(None, ABOVE_STAND_IN)} if stands_in else {}
    return lines(values, comments)


def space(
    values: Mapping[str, int | float],
    origin: Origin,
    machine: Machine,
    *,
    free_threads: bool = False,
) -> dict[str, Any]:
    """Return what the search may set, as a study file writes it; the baseline lies inside.

    Only an unlimited num_predict does not: a limit is what the search is to find. With
    `free_threads` num_thread 0 leaves the number to the engine.
    """
    threads = joined(powers(1, machine.cores), machine.cores, values.get("num_thread"))
    unset = [0] if free_threads else []
    return {
        "num_ctx": joined(
            powers(_SMALLEST_CONTEXT, most_context(origin, machine)), values["num_ctx"]
        ),
        "num_batch": joined(powers(64, 512), values["num_batch"]),
        **({"num_thread": unset + threads} if len(threads) > 1 else {}),
        "num_predict": output_limits(int(values["num_predict"])),
        "temperature": up_to_one(values["temperature"], 0.0),
        "top_k": _top_k(int(values["top_k"])),
        "top_p": up_to_one(values["top_p"], 0.1),
    }


def space_comments(origin: Origin, machine: Machine) -> dict[str, Line]:
    """Return what stands beside the knobs of a space, and above of them."""
    bound = _context_bound(origin, machine)
    context = f"Tokens of prompt and answer together; {bound}. Too few fail, too\nmany cost memory."
    return {
        "num_ctx": Line(None, context),
        "num_batch": Line(None, beside="prompt tokens in one step"),
        "num_thread": Line(None, beside=f"this process may use {machine.cores} cores"),
        "num_predict": Line(None, ABOVE_LIMITS),
    }


def most_context(origin: Origin, machine: Machine) -> int:
    """Return the tokens of context that training and memory allow, the least of both."""
    bounds = [origin.train_ctx, _memory_context(origin, machine)]
    return min((b for b in bounds if b is not None), default=_UNKNOWN_CONTEXT)


def _memory_context(origin: Origin, machine: Machine) -> int | None:
    """Return the tokens of f16 KV cache that fit beside the weights."""
    if not origin.kv_bytes or origin.weights_bytes is None or machine.memory_bytes is None:
        return None
    room = _MEMORY_SHARE * machine.memory_bytes - origin.weights_bytes
    return max(0, int(room / origin.kv_bytes))


def _context_bound(origin: Origin, machine: Machine) -> str:
    """Say what bounds num_ctx."""
    trained, fits = origin.train_ctx, _memory_context(origin, machine)
    if trained is None and fits is None:
        return "the GGUF file names no trained context"
    if trained is not None and (fits is None or trained <= fits):
        return f"the model was trained with {trained}"
    assert machine.memory_bytes is not None
    free = f"{machine.memory_bytes / 2**20:.0f} MiB that are free {machine.bound}".rstrip()
    return f"about {fits} fit beside the weights into the {free}"


def _top_k(baseline: int) -> Any:
    if baseline == 0:  # off; no log scale holds it
        return [0, 1, 10, 40, 100]
    return {"low": 1, "high": max(100, baseline), "log": True}
