"""What cold starts cost, as values, as a sentence and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ColdStart:
    """One first request, in seconds; `load_s` is what the engine says of loading in it."""

    e2e_s: float
    ttft_s: float
    load_s: float | None


@dataclass(frozen=True, slots=True)
class ColdStarts:
    """Cold starts, and the memory of the engine with the model and without it, in bytes."""

    starts: tuple[ColdStart, ...]
    warm_bytes: int | None
    cold_bytes: int | None

    @property
    def kept_bytes(self) -> int | None:
        """Return the bytes that keeping the model loaded takes, None where unknown."""
        if self.warm_bytes is None or self.cold_bytes is None:
            return None
        kept = self.warm_bytes - self.cold_bytes
        return kept if kept > 0 else None


def cold_document(cold: ColdStarts | None) -> dict[str, Any] | None:
    """Return cold starts as JSON."""
    if cold is None:
        return None
    return {"starts": [asdict(s) for s in cold.starts], "kept_bytes": cold.kept_bytes}


def in_words(cold: ColdStarts) -> str:
    """Return cold starts as a sentence: so few have a range and no quantile."""
    text = (
        f"Cold start (the model was unloaded): first request {_range(s.e2e_s for s in cold.starts)}"
    )
    loads = [s.load_s for s in cold.starts if s.load_s is not None]
    if loads:
        text += f", of which loading {_range(loads)}"
    text += f" (n = {len(cold.starts)})"
    kept = cold.kept_bytes
    return text + (f"; keeping it loaded takes {kept / 2**20:.0f} MiB." if kept else ".")


def _range(seconds: Any) -> str:
    values: Sequence[float] = sorted(seconds)
    return f"{values[0] * 1000:.0f} to {values[-1] * 1000:.0f} ms"
