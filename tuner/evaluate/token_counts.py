"""Count how output tokens are known, and which fields were taken for output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tuner.spec.values import Metric, Sample


@dataclass(frozen=True, slots=True)
class Counts:
    """Served requests by how their output tokens are known: told, counted as chunks, or unknown.

    `fields` are undocumented fields that were taken for output, with the number of answers that
    had them. `wanted` answers were to have a given length, and `shorter` of them have less.
    """

    told: int
    by_chunks: int
    unknown: int
    fields: Mapping[str, int]
    wanted: int = 0
    shorter: int = 0

    def unknown_for(self, metric: Metric) -> int:
        """Return for how many served requests a latency is unknown, since their tokens are."""
        return self.unknown if metric == "tpot" else 0


def counts(samples: Sequence[Sample]) -> Counts:
    """Count the served requests among the samples."""
    served = [s for s in samples if s.outcome == "ok"]
    known = [s for s in served if s.output_tokens is not None]
    return Counts(
        told=sum(not s.by_chunks for s in known),
        by_chunks=sum(s.by_chunks for s in known),
        unknown=len(served) - len(known),
        fields=Counter(name for s in served for name in s.unknown_fields),
        wanted=sum(s.wanted_tokens is not None for s in served),
        shorter=sum(s.shorter for s in served),
    )


def counts_document(found: Counts) -> dict[str, Any]:
    """Return the counts as JSON."""
    return asdict(found) | {"fields": dict(found.fields)}


def in_words(found: Counts) -> list[str]:
    """Return sentences on what is unusual about the counts, none where all is as usual."""
    lines = []
    if found.by_chunks:
        lines.append(
            f"Tokens counted by chunks in {found.by_chunks} answers: the server told no number, "
            "and no chunk holds more than one token can."
        )
    if found.unknown:
        lines.append(
            f"Output tokens unknown in {found.unknown} answers: the server told no number, and "
            "their chunks may hold several; so nothing is said of tokens/s."
        )
    if found.shorter:
        lines.append(
            f"{found.shorter} of {found.wanted} answers are shorter than the workload wants: they "
            "ended by themselves, or at the limit that is in force (truncated)."
        )
    lines += [
        f"Taken for output by its look, in {count} answers: the field {name!r}."
        for name, count in found.fields.items()
    ]
    return lines
