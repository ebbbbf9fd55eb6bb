"""What is to be swept: the knobs with their values, as the command line says them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tuner.spec.errors import InputError
from tuner.spec.file.yaml_reading import parsed_setting
from tuner.spec.space import Choices
from tuner.spec.values import Setting

ROUNDS, REQUESTS = 3, 60
"""So many blocks, and requests in all, has each value where nobody says otherwise."""

LEAST_ROUNDS = 2
"""Fewer do not show how blocks of one candidate differ, so nothing could be claimed."""

_KNOB = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asked:
    """The values of each knob; each gets `rounds` blocks of `block` requests."""

    values: Mapping[str, tuple[Setting, ...]]
    rounds: int = ROUNDS
    block: int = REQUESTS // ROUNDS

    def __iter__(self) -> Iterator[tuple[str, Setting]]:
        """Yield each knob with each of its values."""
        return ((knob, value) for knob, values in self.values.items() for value in values)

    def __len__(self) -> int:
        return sum(map(len, self.values.values()))


def is_knob(word: str) -> bool:
    """Tell whether a word of the command line says values of a knob."""
    return _KNOB.fullmatch(word) is not None


def asked(words: Iterable[str], rounds: int = ROUNDS, requests: int = REQUESTS) -> Asked:
    """Return what words of the form KNOB=V1,V2,... ask for; raise InputError for other ones."""
    values: dict[str, tuple[Setting, ...]] = {}
    for word in words:
        knob, _, told = word.partition("=")
        if knob in values:
            raise InputError(f"{knob} is to be swept twice; give all its values at once")
        values[knob] = _values(word, told)
    if not values:
        raise InputError("nothing to sweep: say KNOB=V1,V2,... such as num_ctx=4096,2048,1024")
    return Asked(values, rounds, math.ceil(requests / rounds))


def _values(word: str, told: str) -> tuple[Setting, ...]:
    found: list[Setting] = []
    for text in told.split(","):
        if not text.strip():
            raise InputError(f"{word}: expected values with commas between, such as 4096,2048")
        value = parsed_setting(text.strip(), word)
        if Choices(tuple(found)).contains(value):
            raise InputError(f"{word}: {value} stands twice")
        found.append(value)
    return tuple(found)
