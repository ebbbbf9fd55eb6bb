"""List the PARAMETERs that Ollama knows, their types, and what people write instead.

Source: `api/types.go` (Options, Runner, FormatParams) of Ollama 0.11.4 and 0.33.3, which differ
only in draft_num_predict. Ollama checks parameters when it makes a model of a Modelfile, but not
those of a POST to /api/create.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np

from tuner.spec.errors import InputError
from tuner.spec.values import Setting

Kind: TypeAlias = Literal["int", "float", "bool", "text"]

_NAMES: dict[Kind, str] = {
    "int": "num_ctx num_batch num_gpu main_gpu num_thread draft_num_predict num_keep seed "
    "num_predict top_k repeat_last_n",
    "float": "top_p min_p typical_p temperature repeat_penalty presence_penalty frequency_penalty",
    "bool": "use_mmap",
    "text": "stop",
}
KINDS: Mapping[str, Kind] = MappingProxyType(
    {name: kind for kind, names in _NAMES.items() for name in names.split()}
)

RUNNER = frozenset(
    ["num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap", "draft_num_predict"]
)
"""Names whose change loads the model anew (`api/types.go`, struct Runner)."""

DEPRECATED = frozenset(
    {
        "penalize_newline",
        "low_vram",
        "f16_kv",
        "logits_all",
        "vocab_only",
        "use_mlock",
        "mirostat",
        "mirostat_tau",
        "mirostat_eta",
    }
)
"""Names that Ollama skips with a warning (`parser/parser.go`, deprecatedParameters)."""

_GONE = frozenset(
    ["numa", "num_gqa", "rope_frequency_base", "rope_frequency_scale", "tfs_z", "embedding_only"]
)
"""Names that older versions of Ollama knew (docs/modelfile.md and docs/api.md of 2023 and 2024)."""

_INSTRUCTIONS = frozenset(
    ["adapter", "draft", "from", "license", "message", "parser", "renderer", "system", "template"]
)

_NEAR = 0.82
"""How alike a name is to one that is meant; below it other programs' names look like ours."""

_MEANT = {
    "num_predict": "max_tokens max_new_tokens max_length max_output_tokens n_predict num_tokens",
    "num_ctx": "n_ctx ctx_size context context_length context_size context_window max_context",
    "num_gpu": "num_gpu_layers n_gpu_layers gpu_layers ngl",
    "num_thread": "threads n_threads num_threads num_cpu num_cpus num_cores",
    "num_keep": "n_keep keep",
    "num_batch": "batch batch_size n_batch",
    "repeat_penalty": "repetition_penalty rep_penalty",
    "stop": "stops stop_sequence stop_sequences stop_token stop_tokens",
    "temperature": "temp",
    "use_mmap": "mmap no_mmap",
}
_RIGHT = {wrong: right for right, wrongs in _MEANT.items() for wrong in wrongs.split()}

_REQUEST = frozenset(
    {"keep_alive", "format", "think", "stream", "truncate", "shift", "raw", "logprobs"}
)

_ENVIRONMENT = {
    "flash_attn": "OLLAMA_FLASH_ATTENTION",
    "flash_attention": "OLLAMA_FLASH_ATTENTION",
    "kv_cache_type": "OLLAMA_KV_CACHE_TYPE",
    "cache_type_k": "OLLAMA_KV_CACHE_TYPE",
    "cache_type_v": "OLLAMA_KV_CACHE_TYPE",
    "num_parallel": "OLLAMA_NUM_PARALLEL",
    "parallel": "OLLAMA_NUM_PARALLEL",
    "max_queue": "OLLAMA_MAX_QUEUE",
    "max_loaded_models": "OLLAMA_MAX_LOADED_MODELS",
}

_INT = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_BOOLS = _TRUE | {"0", "f", "F", "FALSE", "false", "False"}
_FLOAT32_MAX = 3.4028234663852886e38


def complaint(name: str, value: str) -> str | None:
    """Return a sentence that says why Ollama would refuse a parameter, None where it takes it.

    Source: `api.FormatParams`. Hexadecimal floats, inf and nan are refused here too: Ollama takes
    them, but no parameter has a use for them.
    """
    if name in DEPRECATED:
        return None
    if name not in KINDS:
        return _unknown(name)
    if _FITS[KINDS[name]](value):
        return None
    return f"{name} is {value!r}, expected {_EXPECTED[KINDS[name]]}.{_comment_hint(value)}"


def written(name: str, value: Setting) -> str:
    """Return a setting as a Modelfile writes it, a float with the digits that Ollama keeps.

    Ollama keeps a float32, so 0.1 + 0.2 is written as 0.3. Raises InputError for inf and nan.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value) or abs(value) > _FLOAT32_MAX:
        raise InputError(f"{name} is {value}, expected a finite number: choose another value.")
    if value.is_integer():
        return str(int(value))
    return str(np.format_float_positional(np.float32(value), trim="-"))


def plain(name: str, value: str) -> str:
    """Return a valid value as a server shows it: 0.90 becomes 0.9."""
    kind = KINDS.get(name)
    if kind == "bool":
        return written(name, value in _TRUE)
    if kind == "int":
        return written(name, int(value))
    return written(name, float(value)) if kind == "float" else value


def _unknown(name: str) -> str:
    """Return what an unknown name may mean: a parameter, a field of requests, a variable."""
    lower = name.lower()
    if lower in _REQUEST:
        return (
            f"{name} is not a parameter of a Modelfile: send it as the field {lower} with each "
            "request."
        )
    if lower in _ENVIRONMENT:
        return (
            f"{name} is not a parameter of a Modelfile: set {_ENVIRONMENT[lower]} in the server's "
            "environment."
        )
    if lower in _GONE:
        return f"Ollama no longer knows {name}: remove the line."
    if lower in _INSTRUCTIONS:
        return f"{name} is an instruction, no parameter: write {lower.upper()} and its value."
    near = _nearest(lower)
    hint = f"did you mean {near}? " if near else ""
    return f"unknown parameter {name!r}: {hint}Ollama knows {', '.join(sorted(KINDS))}."


def _nearest(lower: str) -> str | None:
    if lower in _RIGHT:
        return _RIGHT[lower]
    return next(iter(difflib.get_close_matches(lower, KINDS, n=1, cutoff=_NEAR)), None)


def _comment_hint(value: str) -> str:
    """Return an explanation of a `#` after a number, which makes the comment part of the value."""
    if "#" not in value:
        return ""
    return " Comments start only at the beginning of a line: move it to a line of its own."


def _fits_int(value: str) -> bool:
    return bool(_INT.fullmatch(value)) and len(value) < 21 and -(2**63) <= int(value) < 2**63


def _fits_float(value: str) -> bool:
    return bool(_FLOAT.fullmatch(value)) and abs(float(value)) <= _FLOAT32_MAX


_FITS: Mapping[Kind, Callable[[str], bool]] = {
    "int": _fits_int,
    "float": _fits_float,
    "bool": _BOOLS.__contains__,
    "text": lambda value: True,
}
_EXPECTED: Mapping[Kind, str] = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "text": "text",
}
