"""What an Ollama really runs: the command line of its runner, its own log, the runner's slots.

Up to 0.29 the runner is Ollama's own program (llm/server.go), from 0.30 on llama.cpp's server
(llm/llama_server.go). Both are children of `ollama serve`, and are started with what Ollama made
of the candidate: contexts clamped to the trained one, slots forced to one, flash attention
refused by the hardware all show there.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tuner.engines.serving import control
from tuner.engines.serving.readback import difference, last_match
from tuner.machine.processes import family, listening_ports
from tuner.spec.knobs import Knob
from tuner.spec.values import Candidate, Setting

_FLAGS = {
    "ctx": ("--ctx-size", "-c"),
    "num_parallel": ("--parallel", "-np"),
    "num_batch": ("--batch-size", "-b"),
    "num_thread": ("--threads", "-t"),
    "num_gpu": ("--n-gpu-layers", "-ngl"),
    "kv_cache_type": ("--kv-cache-type", "--cache-type-k"),
}
"""What we look for -> how the older and the newer generation call it."""

_CACHE_WORDS = {"disabled": "0", "no limit": "-1"}
"""What llama.cpp's server says of its prompt cache instead of a number of MiB."""

_SLOT_FIELDS = {"num_predict": ("n_predict", "max_tokens")}


@dataclass(frozen=True, slots=True)
class Runner:
    """The process that holds the model, as its command line tells."""

    pid: int
    model: str
    arguments: tuple[str, ...]

    @property
    def llama_server(self) -> bool:
        """Tell whether it is llama.cpp's server, whose slots can be asked."""
        return "-np" in self.arguments

    def value(self, name: str) -> str | None:
        """Return the value of a flag, None where it is not there."""
        for flag in _FLAGS[name]:
            if flag in self.arguments:
                after = self.arguments[self.arguments.index(flag) + 1 :]
                return after[0] if after else None
        return None

    def settings(self) -> dict[str, Setting]:
        """Return the knobs that the command line tells."""
        numbers = ("num_parallel", "num_batch", "num_thread", "num_gpu")
        found: dict[str, Setting] = {
            name: int(text) for name in numbers if (text := self.value(name)) is not None
        }
        context, slots = self.value("ctx"), int(found.get("num_parallel", 1))
        if context is not None:
            found["num_ctx"] = int(context) // max(slots, 1)
        found["kv_cache_type"] = self.value("kv_cache_type") or "f16"
        found["use_mmap"] = not ({"--no-mmap", "--load-mode"} & set(self.arguments))
        return found | {"flash_attention": self._flash_attention()}

    def _flash_attention(self) -> Setting:
        """Return on, off or auto; the older generation has a bare switch."""
        if "--flash-attn" not in self.arguments:
            return "off"
        after = self.arguments[self.arguments.index("--flash-attn") + 1 :]
        return after[0] if after and after[0] in ("on", "off", "auto") else "on"


def runners(pid: int) -> list[Runner]:
    """Return the runners of an `ollama serve`, the one that was started last first."""
    found = []
    for member in family(pid)[1:]:
        try:
            arguments, began = tuple(member.cmdline()), member.create_time()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if "--model" in arguments:
            model = arguments[arguments.index("--model") + 1]
            found.append((began, Runner(member.pid, model, arguments)))
    return [runner for _, runner in sorted(found, key=lambda f: f[0], reverse=True)]


def from_log(log: str) -> dict[str, Setting]:
    """Return what `ollama serve` and its runner say of their environment when they start.

    llama.cpp's server says nothing of cache_reuse where it is in force (tools/server).
    """
    found: dict[str, Setting] = {}
    loaded = last_match(r"OLLAMA_MAX_LOADED_MODELS:(\d+)", log)
    if loaded is not None:
        found["max_loaded_models"] = int(loaded)
    kept = last_match(r"OLLAMA_KEEP_ALIVE:([-\w.]+)", log)
    if kept is not None:
        found["keep_alive"] = kept
    cache = last_match(
        r"prompt cache is (?:enabled, )?(?:size limit: )?(disabled|no limit|\d+)", log
    )
    if cache is not None:
        found["llama_arg_cache_ram"] = int(_CACHE_WORDS.get(cache, cache))
    if "cache_reuse is not supported" in log:
        found["llama_arg_cache_reuse"] = 0
    return found


def from_system(pid: int) -> dict[str, Setting]:
    """Return how Linux schedules a process, and whether it gave it memory in huge pages.

    {} on other systems, and where it does not tell, as of a process that has ended.
    """
    if sys.platform != "linux":
        return {}
    names = {os.SCHED_OTHER: "other", os.SCHED_BATCH: "batch", os.SCHED_IDLE: "idle"}
    try:
        policy = os.sched_getscheduler(pid)
        memory = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return {}
    huge = last_match(r"AnonHugePages: +(\d+) kB", memory)
    return {
        "cpu_scheduling": names.get(policy, str(policy)),
        "huge_pages": "on" if huge not in (None, "0") else "off",
    }


def shortened(log: str) -> str | None:
    """Return a sentence where prompts or messages were left out without a word to the client.

    Servers before 0.12.6 do so (server/prompt.go, runner): of the messages they tell at
    debug level only.
    """
    prompts, messages = map(log.count, ("truncating input prompt", "truncating input messages"))
    found = {"prompts were cut": prompts, "prompts lost earlier messages": messages}
    said = " and ".join(f"{count} {what}" for what, count in found.items() if count)
    return f"{said} to fit num_ctx: raise it" if said else None


async def from_slots(runner: Runner, names: Sequence[str]) -> dict[str, Setting]:
    """Return the sampling settings of the runner's last request, where it is llama.cpp's server."""
    if not runner.llama_server:
        return {}
    port = next(iter(listening_ports(runner.pid)), 0)
    status, slots = await control.call("GET", f"http://127.0.0.1:{port}/slots")
    used = [s for s in slots if "params" in s] if status == 200 and slots else []
    if not used:
        return {}
    params = max(used, key=lambda s: s.get("id_task", 0))["params"]
    return dict(_named(params, names))


def _named(params: Mapping[str, Any], names: Sequence[str]) -> Iterator[tuple[str, Setting]]:
    for name in names:
        for theirs in _SLOT_FIELDS.get(name, (name,)):
            value = params.get(theirs)
            if isinstance(value, str | int | float):
                yield name, round(value, 6) if isinstance(value, float) else value
                break


def mismatches(
    candidate: Candidate, found: Mapping[str, Setting], knobs: Mapping[str, Knob]
) -> list[str]:
    """Return a sentence for each knob that was read back and is not as asked."""
    said = []
    for name, real in found.items():
        asked = candidate.get(name)
        if name not in knobs or asked is None or knobs[name].leaves_open(asked):
            continue
        same_time = name == "keep_alive" and seconds(str(asked)) == seconds(str(real))
        if not same_time:
            said.append(difference(knobs[name], asked, real))
    return [sentence for sentence in said if sentence is not None]


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_FOREVER_S = 1e9


def seconds(text: str) -> float:
    """Return a Go duration, or a bare number of seconds, in seconds; infinity for "for ever".

    Negative ones mean for ever (envconfig/config.go, KeepAlive); what cannot be read is nan.
    """
    if re.fullmatch(r"-?\d+", text):
        total = float(text)
    elif re.fullmatch(r"-?(\d+(\.\d+)?(h|ms|m|us|µs|ns|s))+", text):
        parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|us|µs|ns|s)", text)
        total = sum(float(number) * _UNITS[unit] for number, unit in parts)
        total = -total if text.startswith("-") else total
    else:
        return float("nan")
    return float("inf") if total < 0 or total > _FOREVER_S else total
