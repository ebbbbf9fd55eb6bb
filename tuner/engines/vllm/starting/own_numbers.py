"""What the log of a good start says of the server: its cache, and settings that are not in force.

The lines are those of vLLM 0.19 to 0.33 (v1/worker/{gpu_worker,gpu_model_runner,cpu_worker}.py,
v1/core/kv_cache_utils.py, v1/engine/core.py, compilation/{backends,decorators,monitor}.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tuner.engines.vllm.starting.log_lines import SERVING, Line, read_lines

_N = r"(\d[\d,]*(?:\.\d+)?)"

_CACHE_GIB = re.compile(rf"Available KV cache memory: {_N} GiB|(?:Explicitly|Auto) set \({_N}/")
_CACHE_TOKENS = re.compile(rf"KV cache size: {_N} tokens")

_ADJUSTED: Sequence[tuple[str, re.Pattern[str]]] = tuple(
    (setting, re.compile(pattern, re.IGNORECASE))
    for setting, pattern in (
        ("max_cudagraph_capture_size", r"Truncating max_cudagraph_capture_size to \d+"),
        ("max_cudagraph_capture_size", r"Overriding max cuda graph capture size to \d+"),
        ("async_scheduling", r"Async(hronous)? scheduling (not supported|will be disabled)"),
        ("async_scheduling", r"Async(hronous)? scheduling is (disabled|not compatible)"),
        ("block_size", r"requires block_size=\d+, overriding"),
        ("dtype", r"doesn't support .* Falling back to"),
        ("max_num_batched_tokens", r"max_num_batched_tokens \(\d+\) exceeds max_num_seqs"),
        ("max_model_len", r"Auto-fit max_model_len: reduced from \d+ to \d+"),
        ("gpu_memory_utilization", r"does not respect the gpu_memory_utilization config"),
        ("gpu_memory_utilization", r"Applying persisted startup plan"),
        ("enable_dbo", r"Dual-Batch Overlap is not supported"),
        ("enable_sleep_mode", r"sleep mode is not supported on CPU"),
        ("compilation_config", r"Enforce eager set, disabling torch\.compile"),
        ("compile cache", r"Compiling model again due to a load failure"),
    )
)  # fmt: skip
"""Settings that a line says are not in force as asked."""

_NAMED = re.compile(
    r"Unknown vLLM environment variable detected: (?P<unknown>\w+)"
    r"|Using (?P<variable>\w+) environment variable is deprecated"
    r"|(?P<flag>--[\w-]+) is deprecated and|(?P<gone>--[\w-]+) has no effect"
    r"|^(?P<field>\w+) is deprecated and will be removed"
)
"""Lines that name the setting which is unknown, deprecated or without effect."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A setting that is not in force as asked, or not for long, and the log's words on it."""

    setting: str
    said: str


@dataclass(frozen=True, slots=True)
class OwnNumbers:
    """What a server said of itself as it started; None where its log does not say.

    The KV cache is that of one GPU.
    """

    kv_cache_gib: float | None
    kv_cache_tokens: int | None
    adjusted: tuple[Adjusted, ...]


def read_own_numbers(log: str) -> OwnNumbers:
    """Return what a log says; of several processes the first that says it counts."""
    lines = _of_start(read_lines(log))
    text = "\n".join(line.text for line in lines)
    tokens = _number(_CACHE_TOKENS, text)
    return OwnNumbers(
        kv_cache_gib=_number(_CACHE_GIB, text),
        kv_cache_tokens=None if tokens is None else int(tokens),
        adjusted=tuple(dict.fromkeys(_adjusted(lines))),
    )


def _of_start(lines: Sequence[Line]) -> Sequence[Line]:
    """Return the lines until the server serves."""
    for n, line in enumerate(lines):
        if line.text.endswith(SERVING):
            return lines[: n + 1]
    return lines


def _number(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    if found is None:
        return None
    return float(next(g for g in found.groups() if g).replace(",", ""))


def _adjusted(lines: Sequence[Line]) -> list[Adjusted]:
    found = []
    for line in lines:
        said = " ".join(line.text.split())
        found += [Adjusted(setting, said) for setting, p in _ADJUSTED if p.search(said)]
        if named := _NAMED.search(said):
            found.append(Adjusted(next(g for g in named.groups() if g), said))
    return found
