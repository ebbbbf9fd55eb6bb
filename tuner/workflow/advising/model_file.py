"""A model's size, format and cache from its GGUF file."""

from __future__ import annotations

from pathlib import Path

from tuner.advice.cost.memory import cached_per_token
from tuner.advice.cost.values import Format, Model
from tuner.advice.ranges import quotient, scaled
from tuner.advice.span import exactly
from tuner.engines.gguf import metadata
from tuner.engines.memory import f16_bytes_per_token
from tuner.engines.models import described
from tuner.spec.errors import InputError
from tuner.workflow.advising.entries import Entries


def read(path: Path, told: Format | None, entries: Entries) -> tuple[Model, Format]:
    """Return a model and its format; its parameters follow from its size and the format's bits.

    `told` is the format that a person names, None for what the file says. The cache is one of 16
    bits. Raises InputError for a file that cannot be read, or whose format is not known.
    """
    facts, found = metadata(path), described(path)
    kind = facts.get("general.file_type")
    format_ = told or entries.gguf_types.get(kind if isinstance(kind, int) else -1)
    if format_ is None:
        raise InputError(f"--format is missing: {path} is of type {kind}, which is not known")
    weights = exactly(float(found.weights_bytes or 0))
    params = quotient(scaled(weights, 8), format_.bits)
    cached = f16_bytes_per_token(facts)
    kept = cached_per_token(params) if cached is None else exactly(float(cached))
    return Model(found.name, params, weights, kept), format_
