"""The workload: prompts with what a right answer holds, drawn so that they do not repeat.

One rule says what is filled in: `{name}` stands for a value of the slot of that name in
`workload.slots`. All other braces, single and doubled, are sent as they are written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any, Literal, TypeGuard

import numpy as np

from tuner.spec.values import Load, Message, Prompt

_SLOT_TRIES = 50

CountedBy = Literal["tokenizer", "server", "estimate"]

MATCHES = ("exact", "contains", "regex")
"""Keys of an `expect` for answers in plain text."""

_IN_BRACES = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Written:
    """A value of a slot whose text is not what Python makes of it, such as 1.10, true or 007."""

    text: str
    value: Any

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Template:
    """A line of prompts.jsonl: text with slots, or whole messages, and what is expected.

    `expect` holds fields of a JSON answer, or says by MATCHES what its text is. `at_s` is
    when it came in a recording, in seconds; `output_tokens` how long its answer is to be, None for
    what the model makes of it. `prompt_tokens` is how long the whole prompt is in tokens of the
    model, and `counted_by` says who counted them, where somebody did.
    """

    id: str
    messages: tuple[Message, ...]
    expect: Mapping[str, Any] | None
    kind: str
    weight: float = 1.0
    held_out: bool = False
    at_s: float | None = None
    output_tokens: int | None = None
    prompt_tokens: int | None = None
    counted_by: CountedBy | None = None

    def slots_among(self, slots: Collection[str]) -> frozenset[str]:
        """Return which of the slots the messages have."""
        if not slots:
            return frozenset()
        return in_braces(m.content for m in self.messages) & frozenset(slots)


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

    A value of `slots` is sent as str() writes it. `systems` and `shots` are what the prompt
    knobs choose from; `rules` and `default_shots` say which shots the value `dynamic` stands for.
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
    def proof_templates(self) -> int:
        """Return how many templates a proof asks: the most answers that a guard can count."""
        return len(self.part(held_out=True))

    @property
    def visits(self) -> Mapping[str, int]:
        """Return how often each template comes before all of its part have had their turns."""
        return visits(self.part(held_out=False)) | visits(self.part(held_out=True))

    @property
    def expects(self) -> bool:
        """Tell whether every template says what a right answer holds."""
        return all(t.expect is not None for t in self.templates)

    @property
    def judged(self) -> bool:
        """Tell whether any answer can be wrong; where not, correct means no more than valid."""
        return any(t.expect is not None for t in self.templates)

    def has_slots(self, *, held_out: bool) -> bool:
        """Tell whether a template of a part makes several prompts."""
        return any(t.slots_among(self.slots) for t in self.part(held_out=held_out))

    @property
    def held_out(self) -> bool:
        """Tell whether confirmation uses templates that the search never saw."""
        return any(t.held_out for t in self.templates)


def stretched(templates: Iterable[Template], own: float, rate: float) -> tuple[Template, ...]:
    """Return a recording of a rate of its `own`, stretched evenly to another `rate` (1/s)."""
    return tuple(replace(t, at_s=(t.at_s or 0.0) * own / rate) for t in templates)


def is_text(expect: Any) -> TypeGuard[Mapping[str, str]]:
    """Tell whether an `expect` is about an answer's text; any other names fields of its JSON.

    With a schema all name fields.
    """
    return isinstance(expect, Mapping) and bool(expect) and expect.keys() <= set(MATCHES)


def in_braces(texts: Iterable[str]) -> frozenset[str]:
    """Return all that stands in single braces in some texts."""
    return frozenset(name for text in texts for name in _IN_BRACES.findall(text))


class Supply:
    """An endless supply of prompts, none of which repeats while the slots allow it.

    Templates come in an order that spreads them by weight, the same for all supplies of one seed,
    so that the first n of two hold the same templates: candidates are compared on like questions.
    Once all have had their turns they come in another order, so that none is always asked beside
    the same others. `fill` changes what stands in the slots, and nothing else. A recording that is
    replayed keeps its own order.
    """

    def __init__(self, workload: Workload, *, held_out: bool, seed: int) -> None:
        self._workload = workload
        self._templates, self._seed = workload.part(held_out=held_out), seed
        self._seen: set[str] = set()
        self._part = "h" if held_out else "s"

    def prompts(self, fill: int) -> Iterator[Prompt]:
        """Yield prompts without end: each template has its turn before one comes again."""
        rng = np.random.default_rng([fill, 77])
        for number, template in enumerate(self._turns()):
            yield self._fresh(template, rng, f"{self._part}{fill}-{number}")

    def _turns(self) -> Iterator[Template]:
        if self._workload.load.arrivals == "trace":
            yield from cycle(self._templates)
        rng = np.random.default_rng(self._seed)
        while True:
            yield from spread(self._templates, rng)

    def _fresh(self, template: Template, rng: np.random.Generator, id_: str) -> Prompt:
        varied = template.slots_among(self._workload.slots)
        for _ in range(_SLOT_TRIES if varied else 1):
            prompt = fill(template, self._workload, rng, id_)
            if prompt.text not in self._seen:
                break
        self._seen.add(prompt.text)
        return prompt


def spread(templates: Sequence[Template], rng: np.random.Generator) -> tuple[Template, ...]:
    """Return templates in random order, as often as they weigh, their kinds evenly spread.

    Each kind's visits are placed at evenly spaced positions, jittered; the lightest template
    is visited once.
    """
    count = visits(templates)
    placed: list[tuple[float, Template]] = []
    for kind in sorted({t.kind for t in templates}):
        turns = [t for t in templates if t.kind == kind for _ in range(count[t.id])]
        for place, index in enumerate(rng.permutation(len(turns))):
            placed.append(((place + rng.uniform(0.0, 1.0)) / len(turns), turns[index]))
    return tuple(template for _, template in sorted(placed, key=lambda p: p[0]))


def visits(templates: Sequence[Template]) -> dict[str, int]:
    """Return how often each template comes while the lightest comes once."""
    least = min((t.weight for t in templates), default=1.0)
    return {t.id: round(t.weight / least) for t in templates}


def distinct(templates: Sequence[Template], slots: Mapping[str, Sequence[Any]]) -> int:
    """Return how many different prompts templates can give, at the most."""
    values = {name: len({str(v) for v in given}) for name, given in slots.items()}
    texts = {
        tuple((m.role, m.content) for m in t.messages): t.slots_among(slots) for t in templates
    }
    return sum(math.prod(values[name] for name in names) for names in texts.values())


def fill(template: Template, workload: Workload, rng: np.random.Generator, id_: str) -> Prompt:
    """Return one prompt of a template, its slots filled at random."""
    slots = workload.slots
    values = {
        name: slots[name][int(rng.integers(len(slots[name])))]
        for name in sorted(template.slots_among(slots))
    }
    messages = tuple(Message(m.role, _filled(m.content, values)) for m in template.messages)
    expect = filled_expect(template.expect, values, plain=workload.schema is None)
    at_s, length = template.at_s or 0.0, template.output_tokens
    return Prompt(id_, template.id, template.kind, messages, expect, at_s, length)


def _filled(text: str, values: Mapping[str, Any]) -> str:
    return _IN_BRACES.sub(lambda found: str(values.get(found[1], found[0])), text)


def filled_expect(expect: Any, values: Mapping[str, Any], *, plain: bool) -> Any:
    """Return what is expected with its slots filled.

    In fields of a JSON answer a string that is one slot takes the slot's type. In plain text
    all is text, and in a regular expression a value stands for itself.
    """
    if not plain or not is_text(expect):
        return _expected(expect, values)
    escaped = {name: re.escape(str(value)) for name, value in values.items()}
    return {
        kind: _filled(text, escaped if kind == "regex" else values)
        for kind, text in expect.items()
    }  # fmt: skip


def _expected(expect: Any, values: Mapping[str, Any]) -> Any:
    """Fill the slots of fields; a string that is one slot takes the slot's type."""
    if isinstance(expect, Mapping):
        return {key: _expected(value, values) for key, value in expect.items()}
    if isinstance(expect, list):
        return [_expected(value, values) for value in expect]
    if not isinstance(expect, str):
        return expect
    only = _IN_BRACES.fullmatch(expect)
    if only is None or only[1] not in values:
        return _filled(expect, values)
    value = values[only[1]]
    return value.value if isinstance(value, Written) else value
