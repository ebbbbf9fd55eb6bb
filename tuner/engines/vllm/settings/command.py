"""From a candidate to the flags and the environment of a start of vLLM."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tuner.engines.vllm.installed.flags.flag import Flags
from tuner.engines.vllm.installed.flags.variables import UNSET
from tuner.engines.vllm.settings.arguments import FlagValue, arguments
from tuner.engines.vllm.settings.knobs import KNOBS, NO_SPECULATION
from tuner.engines.vllm.settings.section import Fixed
from tuner.spec.values import Candidate

LOOKUP_TOKENS = 4
"""The longest n-gram that is looked up, where nobody says: vLLM wants a number."""

Parallel = Literal["tensor", "pipeline", "data"]
_PARALLEL: tuple[Parallel, ...] = ("tensor", "pipeline", "data")

_TELLING = ("enable-per-request-metrics", "enable-prompt-tokens-details")


def flags(candidate: Candidate, fixed: Fixed) -> dict[str, FlagValue]:
    """Return all flags of a candidate by their long names; what it leaves open is not there."""
    found: dict[str, FlagValue] = dict(fixed.flags)
    found.update(_of_knobs(candidate))
    if fixed.served_name is not None:
        found["served-model-name"] = fixed.served_name
    return found


def words(candidate: Candidate, fixed: Fixed) -> tuple[str, ...]:
    """Return the flags of a candidate as words of a command line."""
    return tuple(arguments(flags(candidate, fixed)))


def _of_knobs(candidate: Candidate) -> Iterator[tuple[str, FlagValue]]:
    for name, knob in KNOBS.items():
        value = candidate.get(name, knob.default)
        if knob.where != "command" or name in ("speculation", "draft_tokens"):
            continue
        if not knob.leaves_open(value):
            yield str(knob.key).removeprefix("--"), value
    if (drafting := speculation(candidate)) is not None:
        yield "speculative-config", drafting


def speculation(candidate: Candidate) -> str | None:
    """Return the value of --speculative-config, None where nobody drafts."""
    who, count = str(candidate["speculation"]), candidate["draft_tokens"]
    if who == NO_SPECULATION:
        return None
    said: dict[str, object] = {"method": who, "num_speculative_tokens": count}
    if who == "ngram":
        said["prompt_lookup_max"] = LOOKUP_TOKENS
    elif who != "suffix":
        said = {"method": "draft_model", "model": who, "num_speculative_tokens": count}
    return json.dumps(said)


def telling(fixed: Fixed, known: Flags) -> dict[str, FlagValue]:
    """Return flags with which a server tells of each request; they change no answer."""
    if fixed.flags.get("disable-log-stats"):  # vLLM refuses the two together
        return {}
    return {n: True for n in _TELLING if known.get(f"--{n}")}


def environment(candidate: Candidate, fixed: Fixed) -> dict[str, str]:
    """Return the variables that a candidate sets, on top of those that the study sets."""
    found = dict(fixed.env)
    for name, knob in KNOBS.items():
        value = candidate.get(name, knob.default)
        if knob.where == "environment" and not knob.leaves_open(value):
            found[str(knob.key)] = str(value)
    return found


def private(cache: Path) -> dict[str, str]:
    """Return the variables of a server of ours: what it compiles is kept from trial to trial.

    What makes measurements untrue is off, whatever is inherited. The endpoint that empties the
    prefix cache is on; the server is reached from here alone.
    """
    return {
        "VLLM_CACHE_ROOT": str(cache),
        "VLLM_SERVER_DEV_MODE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        **dict.fromkeys(UNSET, "0"),
    }


def mounts(candidate: Candidate, fixed: Fixed) -> tuple[str, ...]:
    """Return the files and folders of this machine that a start reads."""
    named = [candidate["model"], *flags(candidate, fixed).values()]
    paths = (Path(v) for v in named if isinstance(v, str) and v.startswith("/"))
    return tuple(str(path) for path in dict.fromkeys(paths) if path.exists())


def gpus(fixed: Fixed) -> int:
    """Return how many GPUs a server takes: its parallel sizes multiplied."""
    return math.prod(parallel(fixed, how) for how in _PARALLEL)


def parallel(fixed: Fixed, how: Parallel) -> int:
    """Return a parallel size of a server."""
    return int(str(fixed.flags.get(f"{how}-parallel-size", 1)))
