"""Sort requests into kinds by rule, as they came in: nothing but a kind's own name is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuner.workflow.recordings.paths import Path, found_at

OTHER = "other"
"""The kind of a request that no rule fits."""


@dataclass(frozen=True, slots=True)
class KindRule:
    """Fits where `match` is found in what the user says, and `at` a path stands one of `values`.

    Either is None where it is not asked for.
    """

    kind: str
    match: re.Pattern[str] | None = None
    at: Path | None = None
    values: tuple[Any, ...] = ()

    def fits(self, record: Mapping[str, Any], asked: str) -> bool:
        """Tell whether a request is of this kind."""
        if self.match is not None and not self.match.search(asked):
            return False
        return self.at is None or any(_same(v, self.values) for v in found_at(record, self.at))


def kind_of(rules: Sequence[KindRule], record: Mapping[str, Any], asked: str) -> str:
    """Return the kind of the first rule that fits."""
    return next((rule.kind for rule in rules if rule.fits(record, asked)), OTHER)


def _same(value: Any, values: Sequence[Any]) -> bool:
    """Tell whether a value is one of those meant; true is not 1."""
    return any(isinstance(value, bool) is isinstance(v, bool) and value == v for v in values)
