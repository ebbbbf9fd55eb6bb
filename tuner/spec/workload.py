"""The workload: prompts with what a right answer holds, drawn so that they do not repeat."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tuner.spec.values import Load, Message, Prompt

_SLOT_TRIES = 50


@dataclass(frozen=True, slots=True)
class Template:
    """A line of prompts.jsonl: text with slots, or whole messages, and what is expected.

    `match` is for answers in plain text: {"exact" | "contains" | "regex": text}. `at_s` is
    when it came in a recording, in seconds.
    """

    id: str
    messages: tuple[Message, ...]
    expect: Mapping[str, Any] | None
    kind: str
    weight: float = 1.0
    held_out: bool = False
    at_s: float | None = None

    @property
    def slots(self) -> frozenset[str]:
        """Return the names of the slots in the messages."""
        return frozenset().union(*(slot_names(m.content) for m in self.messages))


@dataclass(frozen=True, slots=True)
class Shot:
    """An example turn: what a user said and what the right answer was."""

    id: str
    user: str
    assistant: str


@dataclass(frozen=True, slots=True)
class ShotRule:
    """Choose these shots where the request text matches (case-insensitive regex)."""

    match: str
    shots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything that is sent, and how it arrives.

    `systems` and `shots` are what the prompt knobs choose from; `rules` and `default_shots`
    say which shots the value `dynamic` stands for.
    """

    templates: tuple[Template, ...]
    slots: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    systems: Mapping[str, str] = field(default_factory=dict)
    shots: tuple[Shot, ...] = ()
    rules: tuple[ShotRule, ...] = ()
    default_shots: tuple[str, ...] = ()
    load: Load = field(default_factory=Load)
    hash: str = ""

    def part(self, *, held_out: bool) -> tuple[Template, ...]:
        """Return the templates for searching, or those kept back for confirmation.

        A workload without held-out templates uses all of them for both.
        """
        chosen = tuple(t for t in self.templates if t.held_out is held_out)
        return chosen or self.templates

    @property
    def expects(self) -> bool:
        """Tell whether every template says what a right answer holds."""
        return all(t.expect is not None for t in self.templates)

    @property
    def judged(self) -> bool:
        """Tell whether any answer can be wrong; where not, correct means no more than valid."""
        return any(t.expect is not None for t in self.templates)

    @property
    def held_out(self) -> bool:
        """Tell whether confirmation uses templates that the search never saw."""
        return any(t.held_out for t in self.templates)


def slot_names(text: str) -> frozenset[str]:
    """Return the names in {braces}; text that is no format string has none."""
    try:
        return frozenset(name for _, name, _, _ in string.Formatter().parse(text) if name)
    except ValueError:
        return frozenset()


class Supply:
    """An endless supply of prompts, none of which repeats while the slots allow it.

    Templates come in a fixed order that spreads them by weight, so that the first n of two
    supplies of one seed hold the same templates: candidates are compared on like questions.
    `fill` changes what stands in the slots, and nothing else. A recording that is replayed
    keeps its own order.
    """

    def __init__(self, workload: Workload, *, held_out: bool, seed: int) -> None:
        self._workload = workload
        part, self._replayed = workload.part(held_out=held_out), workload.load.arrivals == "trace"
        self._order = part if self._replayed else spread(part, np.random.default_rng(seed))
        self._seen: set[str] = set()
        self._part = "h" if held_out else "s"

    def prompts(self, fill: int, group: int | None = None) -> Iterator[Prompt]:
        """Yield prompts without end; `group` visits that many templates several times first."""
        rng = np.random.default_rng([fill, 77])
        visits = None if self._replayed else group
        for number, template in enumerate(_grouped(self._order, visits)):
            yield self._fresh(template, rng, f"{self._part}{fill}-{number}")

    def _fresh(self, template: Template, rng: np.random.Generator, id_: str) -> Prompt:
        for _ in range(_SLOT_TRIES):
            prompt = fill(template, self._workload.slots, rng, id_)
            if prompt.text not in self._seen:
                break
        self._seen.add(prompt.text)
        return prompt


def _grouped(order: Sequence[Template], visits: int | None) -> Iterator[Template]:
    """Yield the order again and again; with `visits`, groups of 20 templates that often each."""
    while True:
        if not visits:
            yield from order
            continue
        for start in range(0, len(order), CLUSTER_GROUP):
            for _ in range(visits):
                yield from order[start : start + CLUSTER_GROUP]


CLUSTER_GROUP = 20
"""Templates that are visited in turn before the next ones: a cluster is complete early, yet
prompts of one template are never neighbours."""


def spread(templates: Sequence[Template], rng: np.random.Generator) -> tuple[Template, ...]:
    """Return templates in random order, as often as they weigh, their kinds evenly spread.

    Each kind's visits are placed at evenly spaced positions, jittered; the lightest template
    is visited once.
    """
    least = min(t.weight for t in templates)
    placed: list[tuple[float, Template]] = []
    for kind in sorted({t.kind for t in templates}):
        visits = [t for t in templates if t.kind == kind for _ in range(round(t.weight / least))]
        for place, index in enumerate(rng.permutation(len(visits))):
            placed.append(((place + rng.uniform(0.0, 1.0)) / len(visits), visits[index]))
    return tuple(template for _, template in sorted(placed, key=lambda p: p[0]))


def distinct(templates: Sequence[Template], slots: Mapping[str, Sequence[Any]]) -> int:
    """Return how many different prompts templates can give, at the most."""
    values = {name: len({str(v) for v in given}) for name, given in slots.items()}
    texts = {tuple((m.role, m.content) for m in t.messages): t.slots for t in templates}
    return sum(math.prod(values[name] for name in names) for names in texts.values())


def fill(
    template: Template, slots: Mapping[str, Sequence[Any]], rng: np.random.Generator, id_: str
) -> Prompt:
    """Return one prompt of a template, its slots filled at random."""
    values = {
        name: slots[name][int(rng.integers(len(slots[name])))] for name in sorted(template.slots)
    }
    messages = tuple(Message(m.role, _filled(m.content, values)) for m in template.messages)
    expect = _expected(template.expect, values)
    return Prompt(id_, template.id, template.kind, messages, expect, template.at_s or 0.0)


def _filled(text: str, values: Mapping[str, Any]) -> str:
    return text.format_map(values) if values and slot_names(text) else text


def _expected(expect: Any, values: Mapping[str, Any]) -> Any:
    """Fill the slots of what is expected; a string that is one slot takes the slot's type."""
    if isinstance(expect, Mapping):
        return {key: _expected(value, values) for key, value in expect.items()}
    if isinstance(expect, list):
        return [_expected(value, values) for value in expect]
    if isinstance(expect, str):
        names = slot_names(expect) & values.keys()
        only = next(iter(names)) if len(names) == 1 else None
        return values[only] if only and expect == f"{{{only}}}" else _filled(expect, values)
    return expect
