"""Write a figure so that it names its place in the data, and can be looked up there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

UNKNOWN = "unknown"

SEPARATOR = " | "
"""Between the places of the figures of one title, and between their units."""


def _digits(value: float, most: int = 2) -> str:
    """Return a number with about three digits, and at most `most` after the point."""
    after = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{min(after, most)}f}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds) // 60
    hours, minutes = divmod(minutes, 60)
    rest = f"{minutes} min {round(seconds) % 60} s"
    return f"{hours} h {rest}" if hours else rest


def _setting(value: object) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


FORMATS: Mapping[str, Callable[[Any], str]] = {
    "count": lambda v: f"{v:,d}",
    "duration": _duration,
    "fewer": lambda v: f"{-v * 100:.1f}",
    "in_percent": lambda v: f"{v * 100:.1f}",
    "less": lambda v: f"{(1 - v) * 100:.0f} %",
    "mib": lambda v: f"{v / 2**20:,.0f}",
    "ms": lambda v: _digits(v * 1000),
    "of_ms": lambda v: f"{v:,.6g}",
    "percent": lambda v: f"{v * 100:.1f} %",
    "plain": lambda v: f"{v:.4g}",
    "change": lambda v: f"{(v - 1) * 100:+.1f} %",
    "quantile": lambda v: f"{v * 100:g}",
    "rate": lambda v: _digits(v, 1),
    "setting": _setting,
    "share": lambda v: f"{v * 100:.0f} %",
    "text": str,
    "words": lambda v: str(v).replace("_", " "),
}
"""How a value is written, by its unit: values in the data are in seconds, bytes and shares."""


def found(island: Mapping[str, Any], pointer: str) -> Any:
    """Return the value at a JSON pointer (RFC 6901), None where there is nothing."""
    value: Any = island
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(name)] if isinstance(value, list) else value[name]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value


def escaped(name: object) -> str:
    """Return a name as a part of a pointer."""
    return str(name).replace("~", "~0").replace("/", "~1")


@dataclass(frozen=True, slots=True)
class Figures:
    """Writes figures of an island."""

    island: Mapping[str, Any]

    def text(self, pointer: str, unit: str, missing: str = UNKNOWN) -> str:
        """Return a figure as text."""
        value = found(self.island, pointer)
        known = value is not None and not (isinstance(value, float) and math.isnan(value))
        return FORMATS[unit](value) if known else missing

    def figure(self, pointer: str, unit: str, missing: str = UNKNOWN) -> Markup:
        """Return a figure as HTML that names its place and its unit; `missing` where unknown."""
        if found(self.island, pointer) is None:
            return Markup('<span class="unknown">{}</span>').format(missing)
        text = self.text(pointer, unit)
        return Markup('<span data-at="{}" data-as="{}">{}</span>').format(pointer, unit, text)

    def tip(self, words: str, *places: tuple[str, str]) -> Markup:
        """Return the title of a mark: `words` with {} for the figure at each (pointer, unit)."""
        text = words.format(*(self.text(*place) for place in places))
        at, units = (SEPARATOR.join(p[i] for p in places) for i in (0, 1))
        return Markup('<title data-at="{}" data-as="{}">{}</title>').format(at, units, text)
