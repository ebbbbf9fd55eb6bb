"""What `tune init` and a kind of engine tell each other: whence a study starts, and its draft."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tuner.modelfile.document import Modelfile
from tuner.spec.address import Url


@dataclass(frozen=True, slots=True)
class Source:
    """What a user names to start a study from.

    `label` is how the user named it, `model` what is to be served: a path, a name or `default`.
    `path` is the file or folder that `model` names, None where none is here. `modelfile` is the
    one that names the model, `server` a running server to ask for it.
    """

    label: str
    model: str
    path: Path | None = None
    modelfile: Modelfile | None = None
    server: Url | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What a study is started from, as the kind `engine` found it.

    `model` is how the study names the model, `stem` what the study is called after. `kv_bytes` is
    what a token takes in an f16 KV cache. What the model does not tell is None. `inherits` says
    that all of the Modelfile stays in force, since it is the model's own.
    """

    label: str
    model: str
    stem: str
    engine: str
    weights_bytes: int | None = None
    kv_bytes: int | None = None
    train_ctx: int | None = None
    modelfile: Modelfile | None = None
    inherits: bool = False
    url: str | None = None

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """Return the PARAMETER lines of the Modelfile."""
        return self.modelfile.parameters if self.modelfile else ()


@dataclass(frozen=True, slots=True)
class Machine:
    """What a space has to fit: the cores and the bytes of memory that may be used.

    `memory_bytes` is None where memory bounds nothing. A `gpu` has a memory of its own. `bound`
    says in words what limits the memory.
    """

    cores: int
    memory_bytes: int | None
    gpu: bool = False
    bound: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A knob of a draft: its value as YAML holds it, a comment above of it, and one beside it."""

    value: Any
    above: str = ""
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a kind of engine puts into a first study.

    `about` is a comment above the section `engine`, to which `section` adds keys; `unnamed` ends
    the sentence "A knob that is not named". `above_space` and `below_space` are comments around
    the knobs, `beside_system` is one at the choice of system texts. `limit` is the knob that cuts
    answers, `writes` what a run writes, `budget` the time that is enough for a run. `left_out`
    names what of the Modelfile is not used; `notes` are for the user at once.
    """

    baseline: Mapping[str, Line] = field(default_factory=dict)
    space: Mapping[str, Line] = field(default_factory=dict)
    section: Mapping[str, Any] = field(default_factory=dict)
    about: str = "What serves the model."
    unnamed: str = "stands at the\nengine's default."
    above_space: str = ""
    below_space: str = ""
    beside_system: str = "add `none`, or another text"
    limit: str | None = None
    writes: str = "its files"
    budget: str = "10m"
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def lines(values: Mapping[str, Any], comments: Mapping[str, Line] | None = None) -> dict[str, Line]:
    """Return values with the comments that some of them have."""
    return {
        name: replace((comments or {}).get(name, Line(None)), value=value)
        for name, value in values.items()
    }


def unused(modelfile: Modelfile | None, known: Collection[str], template: str) -> tuple[str, ...]:
    """Name the PARAMETERs of a Modelfile beyond those known, and its TEMPLATE.

    `template` says what is used in place of that.
    """
    if modelfile is None:
        return ()
    found = [f"PARAMETER {n} {_short(v)}" for n, v in modelfile.parameters if n not in known]
    return (*found, *([f"TEMPLATE: {template}"] if modelfile.template is not None else []))


def too_large(origin: Origin, machine: Machine) -> tuple[str, ...]:
    """Say that the weights do not fit into the free memory, where they do not."""
    weights, memory = origin.weights_bytes, machine.memory_bytes
    if weights is None or memory is None or weights <= memory:
        return ()
    return (
        f"the weights take {weights / 2**30:.1f} GiB and {memory / 2**30:.1f} GiB of memory are "
        "free: the engine will not start, or crawl",
    )


def _short(text: str) -> str:
    shown = json.dumps(text)
    return shown if len(shown) <= 40 else shown[:36] + '..."'
