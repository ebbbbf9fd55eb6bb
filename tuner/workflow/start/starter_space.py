"""The engine knobs of a first study: the baseline, and a space around it that fits the machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tuner.engines.llamacpp.engine import KNOBS
from tuner.engines.ollama import knobs as ollama_knobs
from tuner.modelfile.document import Modelfile
from tuner.modelfile.parameters import KINDS
from tuner.spec.errors import InputError
from tuner.spec.values import served_window

NUM_PREDICT = 256
"""Stands in for an output limit that nobody set: endless answers would eat the budget."""

_MEMORY_SHARE = 0.8
"""Of the free memory; the rest is for compute buffers and whatever else runs."""

_OLLAMA: Mapping[str, list[Any]] = {
    "repeat_penalty": [1.0, 1.1],
    "flash_attention": ["auto", "on"],
    "kv_cache_type": ["f16", "q8_0"],
}
"""What else is worth a look with one request at a time: a default that changed with 0.33, and
what a start of Ollama's server decides."""

_OPENAI: Mapping[str, float] = {"temperature": 1.0, "top_p": 1.0}
"""The defaults of the OpenAI API; servers have others where a request says nothing."""

_SMALLEST_CONTEXT = 512
_SHORTEST_LIMIT = 16
_LEAST: Mapping[str, float] = {
    "num_ctx": 1, "num_batch": 1, "temperature": 0, "top_k": 0, "top_p": 0, "min_p": 0,
    "repeat_penalty": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Machine:
    """What the space has to fit: cores and bytes of memory that may be used.

    With a `gpu`, whose memory is its own, Ollama decides what fits. `bound` says in words what
    limits the memory.
    """

    cores: int
    memory_bytes: int
    gpu: bool = False
    bound: str = ""

    def bounds(self, origin: Origin) -> bool:
        """Tell whether free memory bounds what a model may take here."""
        return not (self.gpu and origin.engine == "ollama")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a study is started from.

    `label` is how the user named it, `model` how the study names the model, which `engine`
    serves. `kv_bytes` is what a token takes in an f16 KV cache; None where the file does not
    tell, as `train_ctx`. `url` says where a running server is.
    """

    label: str
    model: str
    stem: str
    weights_bytes: int = 0
    kv_bytes: int | None = None
    train_ctx: int | None = None
    modelfile: Modelfile | None = None
    engine: Literal["llamacpp", "ollama", "openai"] = "llamacpp"
    url: str | None = None

    @property
    def inherits(self) -> bool:
        """Tell whether all that the Modelfile says stays in force: it is the model's own."""
        return self.engine == "ollama" and self.label == self.model

    @property
    def numbers(self) -> frozenset[str]:
        """Return the PARAMETERs that are knobs of the engine and take a number."""
        knobs = ollama_knobs.KNOBS if self.engine == "ollama" else KNOBS
        return frozenset(n for n in knobs if KINDS.get(n) in {"int", "float"})


def baseline(origin: Origin) -> dict[str, int | float]:
    """Return the knobs that the Modelfile sets, with the engine's defaults for those searched.

    Raises InputError for a value below the least that has a meaning.
    """
    if origin.engine == "openai":
        return {"num_predict": NUM_PREDICT, **_OPENAI}
    context = int(KNOBS["num_ctx"].default)
    found: dict[str, int | float] = {
        "num_ctx": min(context, origin.train_ctx or context),
        "num_predict": NUM_PREDICT,
        **{n: _number(KNOBS[n].default) for n in ("num_batch", "temperature", "top_k", "top_p")},
    }
    for name, value in origin.modelfile.parameters if origin.modelfile else ():
        if name in origin.numbers:
            found[name] = int(value) if KINDS[name] == "int" else float(value)
            _ensure_usable(name, found[name], origin.label)
    if origin.engine == "ollama":
        found["num_ctx"] = served_window(int(found["num_ctx"]), origin.train_ctx)
    if found["num_predict"] <= 0:
        found["num_predict"] = -1  # 0 and below all mean: no limit
    if found.get("num_thread", 1) < 1:
        del found["num_thread"]  # 0 means: as many as there are cores, which is the default here
    return found


def _number(value: Any) -> int | float:
    assert isinstance(value, int | float)
    return value


def _ensure_usable(name: str, value: float, label: str) -> None:
    least = _LEAST.get(name)
    if least is not None and value < least:
        raise InputError(
            f"{label}: PARAMETER {name} {value:g}: expected {least:g} or more; correct the line or "
            "take it out, then run `tune init` again"
        )


def space(knobs: Mapping[str, int | float], origin: Origin, machine: Machine) -> dict[str, Any]:
    """Return what the search may set, as a study file writes it; the baseline lies inside.

    Only an unlimited num_predict does not: a limit is what the search is to find.
    """
    found = {} if origin.engine == "openai" else _of_a_start(knobs, origin, machine)
    found["num_predict"] = _limits(int(knobs["num_predict"]))
    found["temperature"] = {"low": 0.0, "high": max(1.0, knobs["temperature"])}
    if "top_k" in knobs:
        found["top_k"] = _top_k(int(knobs["top_k"]))
    found["top_p"] = {"low": min(0.1, knobs["top_p"]), "high": max(1.0, knobs["top_p"])}
    return found | (_of_ollama(knobs) if origin.engine == "ollama" else {})


def _of_a_start(
    knobs: Mapping[str, int | float], origin: Origin, machine: Machine
) -> dict[str, Any]:
    """Return the knobs for which a model is loaded or a server started again."""
    threads = _with(_powers(1, machine.cores), machine.cores, knobs.get("num_thread"))
    contexts = _powers(_SMALLEST_CONTEXT, most_context(origin, machine))
    found: dict[str, Any] = {
        "num_ctx": _with(contexts, knobs["num_ctx"]),
        "num_batch": _with(_powers(64, 512), knobs["num_batch"]),
    }
    unset = [0] if origin.engine == "ollama" else []  # its default: as many as it takes by itself
    return found | ({"num_thread": unset + threads} if len(threads) > 1 else {})


def _of_ollama(knobs: Mapping[str, int | float]) -> dict[str, Any]:
    penalties = _with(_OLLAMA["repeat_penalty"], knobs.get("repeat_penalty"))
    return {**_OLLAMA, "repeat_penalty": penalties}


def most_context(origin: Origin, machine: Machine) -> int:
    """Return the tokens of context that training and memory allow, the least of both."""
    bounds = [origin.train_ctx, _memory_context(origin, machine)]
    default = int(KNOBS["num_ctx"].default)
    return min((b for b in bounds if b is not None), default=default)


def _memory_context(origin: Origin, machine: Machine) -> int | None:
    """Return the tokens of f16 KV cache that fit beside the weights."""
    if not origin.kv_bytes or not machine.bounds(origin):
        return None
    room = _MEMORY_SHARE * machine.memory_bytes - origin.weights_bytes
    return max(0, int(room / origin.kv_bytes))


def _powers(low: int, high: int) -> list[int]:
    return [2**n for n in range(low.bit_length() - 1, high.bit_length()) if low <= 2**n <= high]


def _with(values: Iterable[int], *more: int | float | None) -> list[int | float]:
    return sorted({*values, *(v for v in more if v is not None)})


def _limits(baseline: int) -> dict[str, int]:
    """Return a range of output limits up to the baseline's that its steps hit exactly."""
    high = baseline if baseline > 0 else NUM_PREDICT
    if high <= 2 * _SHORTEST_LIMIT:
        return {"low": 1, "high": max(high, 2), "step": 1}
    step = max(1, 2 ** ((high - _SHORTEST_LIMIT) // 64).bit_length() // 2)
    return {"low": _SHORTEST_LIMIT + (high - _SHORTEST_LIMIT) % step, "high": high, "step": step}


def _top_k(baseline: int) -> Any:
    if baseline == 0:  # off; no log scale holds it
        return [0, 1, 10, 40, 100]
    return {"low": 1, "high": max(100, baseline), "log": True}


def context_bound(origin: Origin, machine: Machine) -> str:
    """Say what bounds num_ctx."""
    trained, fits = origin.train_ctx, _memory_context(origin, machine)
    if trained is None and fits is None:
        return "the GGUF file names no trained context"
    if trained is not None and (fits is None or trained <= fits):
        return f"the model was trained with {trained}"
    free = f"{machine.memory_bytes / 2**20:.0f} MiB that are free {machine.bound}".rstrip()
    return f"about {fits} fit beside the weights into the {free}"
