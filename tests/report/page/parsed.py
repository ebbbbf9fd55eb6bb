"""A report's page, taken apart without the code that made it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

_VOID = {"meta", "link", "br", "img", "input", "hr"}
_UNSEEN = {"style", "script", "title", "code", "dl"}
"""Code and the words of a glossary are no figures; a mark's title is looked at by itself."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure as the page shows it: its places, its units, its text."""

    at: tuple[str, ...]
    units: tuple[str, ...]
    text: str
    is_tip: bool


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a drawing with the drawing that it is in."""

    tag: str
    chart: dict[str, str]
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """All figures of a page, its other words, and the elements of its drawings."""

    html: str
    figures: list[Shown] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    drawn: list[Element] = field(default_factory=list)
    headings: list[int] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[tuple[str, dict[str, str]]] = []
        self._chart: dict[str, str] = {}
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "svg":
            self._chart = given
        if self._chart and tag != "svg":
            self.drawn.append(Element(tag, self._chart, given))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in _VOID:
            self._open.append((tag, given))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1][0] == tag, (tag, self._open[-3:])
        self._open.pop()
        if tag == "svg":
            self._chart = {}

    def handle_data(self, text: str) -> None:
        given = next((g for _, g in reversed(self._open) if "data-at" in g or "data-tick" in g), {})
        tags = {tag for tag, _ in self._open}
        if self._open and self._open[-1][1].get("id") == "data":
            self.data = json.loads(text)
        elif "data-at" in given:
            at, units = (tuple(given[k].split(" | ")) for k in ("data-at", "data-as"))
            self.figures.append(Shown(at, units, text, "title" in tags))
        elif "data-tick" in given:
            self.drawn.append(Element("tick", self._chart, given, text))
        elif not tags & _UNSEEN:
            self.words.append(text)

    def at(self, pointer: str) -> Any:
        """Return what the page's own data has at a place; KeyError where there is nothing."""
        value: Any = self.data
        for part in pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            value = value[int(name)] if isinstance(value, list) else value[name]
        return value


FACTORS = {
    "ms": 1000.0, "of_ms": 1.0, "count": 1.0, "plain": 1.0, "rate": 1.0, "percent": 100.0,
    "in_percent": 100.0, "share": 100.0, "quantile": 100.0, "mib": 2.0**-20, "fewer": -100.0,
}  # fmt: skip
"""How a value of the data becomes the number that is shown, by its unit."""


def agrees(value: Any, unit: str, text: str) -> bool:
    """Tell whether a text shows a value, to the last digit that it has."""
    if unit == "words":
        return text == str(value).replace("_", " ")
    if unit in ("text", "setting"):
        words = str(value).lower() if isinstance(value, bool) else str(value)
        return text == words
    if unit == "duration":
        hours, minutes, seconds = re.fullmatch(  # type: ignore[union-attr]
            r"(?:(\d+) h )?(?:(\d+) min )?([\d.]+) s", text
        ).groups()
        told = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)
        return abs(told - value) <= (0.05 if minutes is None else 0.5) + 1e-9
    number = re.fullmatch(r"([-+]?[\d,]*\.?\d+(?:e[-+]?\d+)?)(?: %)?", text)
    assert number, (unit, text)
    told, digits = float(number[1].replace(",", "")), number[1].partition(".")[2]
    wanted = {"less": lambda v: (1 - v) * 100, "change": lambda v: (v - 1) * 100}.get(
        unit, lambda v: v * FACTORS[unit]
    )(value)
    room = 0.5 * 10.0 ** -len(digits)
    if unit in ("plain", "of_ms"):
        room = max(abs(wanted) * 5e-4, 1e-12)  # so many digits as there are, four at least
    return abs(told - wanted) <= room * 1.001


def ensure_recomputed(page: Page) -> None:
    """Look each figure up in the page's own data, and compare it with what is shown."""
    for figure in page.figures:
        values = dict(zip(figure.units, map(page.at, figure.at), strict=True))
        if not figure.is_tip:
            assert agrees(page.at(figure.at[0]), figure.units[0], figure.text), figure
            continue
        told = numbers(figure.text, str(values.pop("text", "")))
        assert len(told) == len(values), figure
        for (unit, value), text in zip(values.items(), told, strict=True):
            assert agrees(value, unit, text), figure


def numbers(tip: str, name: str) -> list[str]:
    """Return the numbers of a mark's words, with their units; a name's digits are none."""
    words = re.sub(r"\bp\d+", "", tip.removeprefix(name))
    return re.findall(r"(?:\d+ h )?(?:\d+ min )?\d[\d,]*(?:\.\d+)?(?: s\b| %)?", words)


def unplaced(page: Page) -> list[str]:
    """Return the words with a digit that is no figure; the names of quantiles have some."""
    return [w for w in page.words if re.search(r"\d", re.sub(r"\b(p\d+(\.\d+)?|e2e)\b", "", w))]
