"""What can be set of an Ollama, and since which version it stands at which default."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from tuner.spec.errors import EngineMissing, InputError
from tuner.spec.knobs import Knob, by_name

NOTHING: Mapping[str, int | float] = MappingProxyType({})

OLDEST = (0, 10)
"""Older servers start four slots where nobody asks for a number (envconfig/config.go, 0.9.6)."""

_NOWHERE = "127.0.0.1:1"
"""An OLLAMA_HOST at which nothing listens: tcpmux, which is long out of use."""

SOFTER_PENALTY_SINCE = (0, 33)
"""Older ones have a repeat_penalty of 1.1 by default (api/types.go)."""

REFUSES_SINCE = (0, 12, 6)
"""Older ones do not know `truncate`, and shorten what does not fit (api/types.go)."""

_SWITCH = (("on", "1"), ("off", "0"), ("auto", ""))
_HUGE = (("on", "glibc.malloc.hugetlb=1"), ("off", ""), ("auto", ""))

KNOBS: Mapping[str, Knob] = by_name(
    Knob("num_parallel", "restart", 1, "environment", "slots", key="OLLAMA_NUM_PARALLEL", least=1,
         about="Requests that are served at once; each has a window of its own."),
    Knob("flash_attention", "restart", "auto", "environment", "attention",
         key="OLLAMA_FLASH_ATTENTION", words=_SWITCH, choices=("auto", "on", "off"),
         about="Attention without the whole matrix in memory."),
    Knob("kv_cache_type", "restart", "f16", "environment", "cache", key="OLLAMA_KV_CACHE_TYPE",
         choices=("f16", "q8_0", "q4_0"),
         about="How keys and values of the context are kept; smaller needs flash attention."),
    Knob("max_loaded_models", "restart", 0, "environment", key="OLLAMA_MAX_LOADED_MODELS",
         about="Models in memory at once; 0 leaves it to Ollama."),
    Knob("keep_alive", "restart", "5m", "environment", key="OLLAMA_KEEP_ALIVE",
         about="How long a model stays in memory when nobody asks."),
    Knob("huge_pages", "restart", "auto", "environment", key="GLIBC_TUNABLES", words=_HUGE,
         choices=("auto", "on"), about="Memory in pages of 2 MiB (Linux, glibc 2.35)."),
    Knob("cpu_scheduling", "restart", "other", "command", "scheduling", unset="other",
         choices=("other", "batch"), about="Linux's policy for the server's threads."),
    Knob("num_ctx", "reload", 4096, role="context", least=1,
         about="The window: tokens of prompt and answer together."),
    Knob("num_batch", "reload", 512, role="batch", least=1, about="Prompt tokens in one step."),
    Knob("num_thread", "reload", 0, role="threads", automatic=0,
         about="Threads that compute; 0 leaves it to Ollama."),
    Knob("num_gpu", "reload", -1, role="gpu_layers", automatic=-1,
         about="Layers on the GPU; -1 leaves it to Ollama."),
    Knob("use_mmap", "reload", "auto", about="Whether the weights are mapped, not read."),
    Knob("num_predict", "request", -1, role="limit", automatic=-1,
         about="The most tokens of an answer; -1 leaves it to Ollama: ten windows."),
    Knob("temperature", "request", 0.8, role="temperature", least=0, neutral=0.0,
         about="How far from the likeliest token is drawn; 0 takes it."),
    Knob("top_k", "request", 40, least=0, about="Draw among so many tokens; 0 for all."),
    Knob("top_p", "request", 0.9, least=0, about="Draw among tokens of this share together."),
    Knob("min_p", "request", 0.0, least=0,
         about="Leave out tokens below this share of the likeliest one's chance."),
    Knob("repeat_penalty", "request", 1.0, least=0, neutral=1.0,
         about="Makes what was said before less likely; 1 is off."),
    Knob("seed", "request", -1, automatic=-1, about="Seed of the draws; -1 for another each time."),
    Knob("stop", "request", "", about="A text that ends the answer."),
    Knob("think", "request", "auto", "client", about="Whether a reasoning model thinks first."),
)  # fmt: skip
"""Defaults from api/types.go and envconfig/config.go of 0.33.

cpu_scheduling is Linux's policy, other or batch: with `batch` the threads of Go that wake up
every tenth of a millisecond beside the older runner's computation do not interrupt it.
huge_pages lets glibc (2.35) ask Linux for memory in pages of 2 MiB, auto leaves it as it is.
"""


LLAMA_SERVER_SINCE = (0, 30)
"""From here on the runner is llama.cpp's server, which inherits the environment."""

RUNNER_KNOBS: Mapping[str, Knob] = by_name(
    Knob("llama_arg_cache_reuse", "restart", 0, "environment", key="LLAMA_ARG_CACHE_REUSE",
         about="Least tokens of a cached prompt that are reused by shifting; 0 is off."),
    Knob("llama_arg_cache_ram", "restart", 8192, "environment", key="LLAMA_ARG_CACHE_RAM",
         about="MiB of memory for prompts that left a slot."),
)  # fmt: skip
"""Settings of llama.cpp that Ollama has no word for (common/arg.cpp): least tokens of a cached
prompt that are reused by shifting, and MiB of memory for prompts that left a slot."""


def knobs(
    version: tuple[int, ...], model: str, own: Mapping[str, int | float] = NOTHING
) -> Mapping[str, Knob]:
    """Return the knobs with the defaults of a version, and the model itself as one of them.

    What the model itself sets (`own`, by the names of PARAMETERs) is the default where it serves.
    """
    found = {**KNOBS, "model": Knob("model", "reload", model, role="model")}
    if version >= LLAMA_SERVER_SINCE:
        found |= RUNNER_KNOBS
    if version < SOFTER_PENALTY_SINCE:
        found["repeat_penalty"] = replace(KNOBS["repeat_penalty"], default=1.1)
    set_there = own.keys() & {n for n, knob in found.items() if knob.where == "modelfile"}
    return found | {n: replace(found[n], default=_kept(found[n], own[n])) for n in set_there}


def _kept(knob: Knob, own: int | float) -> int | float:
    """Return what a model sets, with a point where the knob takes fractions: JSON drops it."""
    return float(own) if isinstance(knob.default, float) else own


def version_of(program: str, deadline_s: float = 30.0) -> tuple[int, ...]:
    """Return the version of a program, whose server is not asked.

    Raises EngineMissing where there is none, InputError for one that is too old.
    """
    path = shutil.which(program)
    if path is None:
        raise EngineMissing(
            "the program ollama is not there; install it with:\n"
            "  curl -fsSL https://ollama.com/install.sh | sh"
        )
    said = _said_of_version(path, deadline_s)
    # beside a server of another version it names both, its own last
    told = re.findall(r"version is (\d+(?:\.\d+)*)", said)
    if not told:
        raise EngineMissing(f"{path} --version does not name a version: {said[:200]!r}")
    version = tuple(map(int, told[-1].split(".")))
    ensure_tunable(version)
    return version


def _said_of_version(path: str, deadline_s: float) -> str:
    """Return what a program prints of its version, kept from a server that may hang."""
    env = {**os.environ, "OLLAMA_HOST": _NOWHERE}
    command = [path, "--version"]
    try:
        asked = subprocess.run(command, env=env, capture_output=True, text=True, timeout=deadline_s)
    except subprocess.TimeoutExpired:
        raise EngineMissing(
            f"{path} --version said nothing within {deadline_s:g} s, though no server is asked; "
            "see what it does there, or install Ollama anew from https://ollama.com/download"
        ) from None
    return asked.stdout + asked.stderr


def ensure_tunable(version: tuple[int, ...]) -> None:
    """Raise InputError for an Ollama that is too old."""
    if version < OLDEST:
        found, oldest = (".".join(map(str, v)) for v in (version, OLDEST))
        raise InputError(
            f"Ollama {found} is older than {oldest}, the oldest that can be tuned; install a newer "
            "one from https://ollama.com/download"
        )
