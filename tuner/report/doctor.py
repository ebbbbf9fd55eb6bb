"""What `tune doctor` found: for people, and as `tuner.doctor/1`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tuner import __version__
from tuner.engines.kind import Installed
from tuner.machine.disturbance import Disturbance
from tuner.machine.finding import Finding


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that was looked at; `window` is what the machine did meanwhile, if it tells."""

    engines: Sequence[Installed]
    machine: Sequence[Finding]
    window: Disturbance | None

    @property
    def warnings(self) -> int:
        """Return how many warnings there are."""
        found = [*(e.finding for e in self.engines), *self.machine]
        return sum(f.level == "warning" for f in found)


def diagnosis_document(found: Diagnosis) -> dict[str, Any]:
    """Return what was found as JSON."""
    return {
        "schema": "tuner.doctor/1",
        "tuner_version": __version__,
        "engines": [{**asdict(e.finding), "usable": e.usable} for e in found.engines],
        "machine": [asdict(f) for f in found.machine],
        "window": asdict(found.window) if found.window else None,
        "warnings": found.warnings,
    }


def show_diagnosis(found: Diagnosis) -> str:
    """Return what was found, a line for each thing that was looked at."""
    count = found.warnings
    return "\n".join(
        [
            "Engines",
            *_lines(e.finding for e in found.engines),
            "This machine",
            *_lines(found.machine),
            f"{count or 'No'} warning{'' if count == 1 else 's'}.",
        ]
    )


def _lines(findings: Iterable[Finding]) -> list[str]:
    return [f"  {f.level:8} {f.topic}: {f.text}" for f in findings]
