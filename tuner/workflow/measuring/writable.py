"""Check before a search that all values of a study can be written into its files.

Each trial writes a Modelfile or fills in a command line; a value that neither can hold would end
the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuner.engines.registry import kind_of
from tuner.modelfile.document import line_of
from tuner.spec.errors import InputError
from tuner.spec.knobs import Knob
from tuner.spec.space import some_values
from tuner.spec.study import Study
from tuner.spec.values import Candidate


def ensure_writable(study: Study, knobs: Mapping[str, Knob], base: Candidate, where: str) -> None:
    """Raise InputError for a value of the study that a Modelfile or a command cannot hold.

    Each value is tried with the baseline's other settings. Combinations may still fail; they are
    infeasible trials.
    """
    kind = kind_of(study)
    for what, candidate in _candidates(study, base):
        try:
            kind.ensure_writable(study, knobs, candidate)
        except InputError as wrong:
            raise InputError(f"{where}: {what}: {wrong}") from None
    if kind.prompt_where == "modelfile":
        _ensure_texts(study, where)


def _candidates(study: Study, base: Candidate) -> Iterator[tuple[str, Candidate]]:
    yield "baseline", base
    for name, dimension in study.space.items():
        for value in some_values(dimension):
            yield f"space: {name} {value}", {**base, name: value}


def _ensure_texts(study: Study, where: str) -> None:
    texts = [("SYSTEM", "", t, f"system.{n}") for n, t in study.workload.systems.items()]
    for shot in study.workload.shots:
        texts.append(("MESSAGE", "user", shot.user, f"shots: {shot.id}"))
        texts.append(("MESSAGE", "assistant", shot.assistant, f"shots: {shot.id}"))
    for word, role, text, what in texts:
        try:
            line_of(word, role, text)
        except InputError as wrong:
            raise InputError(f"{where}: workload.prompt.{what}: {wrong}") from None
