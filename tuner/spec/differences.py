"""In what two mappings of facts differ, in words that fit into a sentence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact of which two measurements hold unlike values."""

    fact: str
    a: Any
    b: Any

    def __str__(self) -> str:
        return f"{self.fact}: A has {short(self.a)}, B has {short(self.b)}"


def differences(
    a: Mapping[str, Any], b: Mapping[str, Any], facts: Iterable[str]
) -> tuple[Difference, ...]:
    """Return the facts that differ, in order; one that is not there is None.

    Of facts that are mappings each part that differs is named.
    """
    pairs = ((fact, a.get(fact), b.get(fact)) for fact in facts)
    return tuple(found for pair in pairs for found in _unlike(*pair))


def _unlike(fact: str, a: Any, b: Any) -> tuple[Difference, ...]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        parts = differences(a, b, list(dict.fromkeys((*a, *b))))
        return tuple(replace(part, fact=f"{fact}.{part.fact}") for part in parts)
    return (Difference(fact, a, b),) if a != b else ()


def short(value: Any) -> str:
    """Return a value as JSON of at most 120 characters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."
