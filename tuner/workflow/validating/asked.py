"""What a validation is asked for, and the sides that are ready to be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tuner.engines.base import Engine
from tuner.evaluate.duel import FLOOR
from tuner.evaluate.validation import Side
from tuner.spec.study import Study
from tuner.spec.values import Candidate


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user asks for: `a` and `b` as they name them, for a study, into the folder `out`.

    B may be slower by the share `margin`, and its share of right answers may fall by `max_drop`,
    None for what the study says. With `force` endpoints of two models are compared all the same;
    with `resume` the validation in `out` goes on.
    """

    study: Study
    a: str
    b: str
    out: Path
    margin: float = FLOOR
    max_drop: float | None = None
    force: bool = False
    resume: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """A side that can be measured: a candidate, and the engine that it is served by.

    An engine of our `own` is started for each block. `sends` tells whether requests carry the
    candidate's settings, rather than the server having them.
    """

    label: str
    study: Study
    engine: Engine
    candidate: Candidate
    own: bool = True
    sends: bool = True


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides for the study that they are measured with, and what is to be told of them."""

    study: Study
    sides: Mapping[Side, Ready]
    notes: Sequence[str] = field(default_factory=tuple)
