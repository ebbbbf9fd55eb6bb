"""What the log of a good start says of the server: memory, cache, times, settings not in force.

The lines are those of vLLM 0.19 to 0.33 (v1/worker/{gpu_worker,gpu_model_runner,cpu_worker}.py,
v1/core/kv_cache_utils.py, v1/engine/core.py, compilation/{backends,decorators,monitor}.py).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tuner.engines.vllm.starting.log_lines import SERVING, Line, read_lines

_N = r"(\d[\d,]*(?:\.\d+)?)"

_NUMBERS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "loaded_gib": rf"Model loading took {_N} GiB",
        "loading_s": rf"Model loading took {_N} GiB memory and (?P<n>{_N}) seconds",
        "reading_s": rf"Loading weights took {_N} seconds",
        "activation_gib": rf"torch peak memory increase: {_N}GiB",
        "graphs_estimated_gib": rf"Estimated CUDA graph memory: {_N} GiB total",
        "kv_cache_gib": rf"Available KV cache memory: {_N} GiB|(?:Explicitly|Auto) set \({_N}/",
        "kv_cache_tokens": rf"KV cache size: {_N} tokens",
        "max_model_len": rf"Maximum concurrency for {_N} tokens per request",
        "max_concurrency": rf"Maximum concurrency for {_N} tokens per request: (?P<n>{_N})x",
        "initialized_s": rf"init engine \([^)]*\) took {_N} s",
        "compiled_s": rf"\(compilation: (?P<n>{_N}) s|torch\.compile took {_N} s in total",
        "captured_s": rf"Graph capturing finished in {_N} secs",
        "graphs_gib": rf"Graph capturing finished in {_N} secs, took (?P<n>{_N}) GiB",
    }.items()
}  # fmt: skip

_VERSION = re.compile(r"Initializing a V1 LLM engine \(v([^)\s]+)\)")
_ARGUMENTS = re.compile(r"non-default args: (\{.*\})")
_DEFAULT = re.compile(r"Defaulting (\w+) to (\d+) for")

_SECRET = ("api_key", "hf_token")
"""Arguments that are nobody's to read, though a log shows them."""

_CACHED = re.compile(r"Directly load (the compiled graph|AOT compilation|the \d+-th graph)")
_COMPILED = re.compile(
    r"Compiling a graph for compile range|Compiling model again|saved AOT compiled function"
)

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

    Memory is that of one GPU, in GiB. `compile_cache_hit` tells whether what torch.compile makes
    was found on disk: None where nothing was compiled. `arguments` are those that were not left to
    default, `defaults` those that vLLM chose itself (in logs of level DEBUG).
    """

    version: str | None
    serving: bool
    loaded_gib: float | None
    loading_s: float | None
    reading_s: float | None
    activation_gib: float | None
    graphs_estimated_gib: float | None
    kv_cache_gib: float | None
    kv_cache_tokens: int | None
    max_model_len: int | None
    max_concurrency: float | None
    initialized_s: float | None
    compiled_s: float | None
    captured_s: float | None
    graphs_gib: float | None
    compile_cache_hit: bool | None
    arguments: Mapping[str, Any]
    defaults: Mapping[str, int]
    adjusted: tuple[Adjusted, ...]


def read_own_numbers(log: str) -> OwnNumbers:
    """Return what a log says; of several processes the first that says it counts."""
    lines = _of_start(read_lines(log))
    text = "\n".join(line.text for line in lines)
    numbers = {name: _number(pattern, text) for name, pattern in _NUMBERS.items()}
    version, arguments = _VERSION.search(text), _ARGUMENTS.search(text)
    return OwnNumbers(
        version=version[1] if version else None,
        serving=SERVING in text,
        kv_cache_tokens=_whole(numbers.pop("kv_cache_tokens")),
        max_model_len=_whole(numbers.pop("max_model_len")),
        compile_cache_hit=_cache_hit(text),
        arguments=MappingProxyType(_literal(arguments[1]) if arguments else {}),
        defaults=MappingProxyType({n: int(v) for n, v in _DEFAULT.findall(text)}),
        adjusted=tuple(dict.fromkeys(_adjusted(lines))),
        **numbers,
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
    said = found.groupdict().get("n") or next(g for g in found.groups() if g)
    return float(said.replace(",", ""))


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _cache_hit(text: str) -> bool | None:
    if _COMPILED.search(text):
        return False
    return True if _CACHED.search(text) else None


def _literal(text: str) -> dict[str, Any]:
    """Return the dictionary that a log shows as Python writes it; {} where it is no plain one."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    plain = found if isinstance(found, dict) else {}
    return {name: value for name, value in plain.items() if name not in _SECRET}


def _adjusted(lines: Sequence[Line]) -> list[Adjusted]:
    found = []
    for line in lines:
        said = " ".join(line.text.split())
        found += [Adjusted(setting, said) for setting, p in _ADJUSTED if p.search(said)]
        if named := _NAMED.search(said):
            found.append(Adjusted(next(g for g in named.groups() if g), said))
    return found
