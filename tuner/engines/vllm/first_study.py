"""A first study: of a model's folder what it tells, of a running server what requests carry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.engines.first_space import (
    ABOVE_LIMITS,
    ABOVE_STAND_IN,
    OUTPUT_LIMIT,
    joined,
    output_limits,
    powers,
)
from tuner.engines.first_study import Draft, Line, Machine, Origin, Source, lines, too_large, unused
from tuner.engines.vllm.memory.kv_cache import VALUE_BYTES
from tuner.engines.vllm.memory.model_folder import ModelFolder, read_model_folder
from tuner.engines.vllm.settings.knobs import CACHE, cpu_cache_bytes
from tuner.spec.errors import InputError

USUAL_CONTEXT = 8192
"""The longest context of a first study, where the model has more: few requests need it."""

BUDGET = "60m"
"""A start takes a minute or more, and a run has some twenty."""

_CPU = {"max_num_seqs": 128, "max_num_batched_tokens": 2048}
_GPU = {"max_num_seqs": 256, "max_num_batched_tokens": 8192}
"""vLLM's own defaults on a CPU, and on GPUs of 70 GiB (engine/arg_utils.py)."""

_REQUEST = {"num_predict": OUTPUT_LIMIT, "temperature": 1.0}

_ABOUT = """\
What serves the model: a vLLM of our own. `python` names the one that has it, where `vllm` is not
in PATH; `flags` are further flags, as in vllm.yaml; `url` is a running server to tune in place."""

_ABOUT_RUNNING = """\
What serves the model: a vLLM that runs, which is neither started nor changed. Without `url` one of
our own is started, and its flags are searched as well."""

_UNNAMED = """\
is left
to vLLM. What vLLM makes of all settings together, the result says."""

_ALSO_FLAGS = """\
Also: max_num_active_seqs, max_num_scheduled_tokens, long_prefill_token_threshold, kv_cache_dtype,
block_size, scheduling_policy, speculation (none, ngram) with draft_tokens, quantization, and on a
CPU cpu_omp_threads_bind."""

_ALSO = """\
Of requests also: top_p, top_k, min_p, repetition_penalty, priority. With texts under
workload.prompt: system and shots. format: [none, json]."""


def origin(source: Source, folder: Path) -> Origin:
    """Return what a model's folder tells; nothing is known of a model that another server has.

    Raises InputError for a folder that vLLM could not load.
    """
    named = source.model.rsplit("/", 1)[-1]
    if source.server is not None:
        return Origin(source.label, source.model, named, "vllm", url=str(source.server))
    path = source.path or Path(source.model)
    if not path.is_dir():
        raise InputError(f"{source.label}: engine vllm serves the folder of a model; name one")
    found = read_model_folder(path)
    return Origin(
        label=source.label,
        model=str(path.absolute()),
        stem=path.name,
        engine="vllm",
        weights_bytes=sum(file.stat().st_size for file in path.glob("*.safetensors")) or None,
        kv_bytes=kv_bytes(found),
        train_ctx=found.facts.max_len if found.facts else None,
        modelfile=source.modelfile,
    )


def kv_bytes(model: ModelFolder) -> int | None:
    """Return what a token takes in the KV cache in all layers, in the type that is computed in."""
    facts = model.facts
    if facts is None or facts.attention is None:
        return None
    size = VALUE_BYTES.get(facts.dtype or "", 2)
    return facts.kv_values * facts.layers * size


def draft(origin: Origin, machine: Machine) -> Draft:
    """Return a draft of what a request carries, and of the flags of a server of our own."""
    ours = origin.url is None
    values = {**(_flags(origin, machine) if ours else {}), **_REQUEST}
    return Draft(
        baseline=lines(values, {"num_predict": Line(None, ABOVE_STAND_IN)}),
        space=lines(_space(values), {"num_predict": Line(None, ABOVE_LIMITS)}),
        about=_ABOUT if ours else _ABOUT_RUNNING,
        unnamed=_UNNAMED,
        below_space=f"{_ALSO_FLAGS}\n{_ALSO}" if ours else _ALSO,
        limit="num_predict",
        writes="vllm.yaml and what starts it" if ours else "client files",
        budget=BUDGET if ours else "10m",
        left_out=unused(origin.modelfile, (), "the model's own is used"),
        notes=too_large(origin, machine),
    )


def _flags(origin: Origin, machine: Machine) -> dict[str, Any]:
    """Return the flags that are searched, and the size of the cache where there is no GPU."""
    context = min(origin.train_ctx or USUAL_CONTEXT, USUAL_CONTEXT)
    found = {"max_model_len": context, **(_GPU if machine.gpu else _CPU)}
    if not machine.gpu and machine.memory_bytes is not None:
        found[CACHE] = cpu_cache_bytes(machine.memory_bytes)
    return {**found, "enable_prefix_caching": True}


def _space(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a space: those flags of which many report an effect, and what requests carry."""
    found: dict[str, Any] = {}
    if "max_num_seqs" in values:
        found["max_num_seqs"] = joined(powers(4, 512), values["max_num_seqs"])
        tokens = joined(powers(512, 16384), values["max_num_batched_tokens"])
        found |= {"max_num_batched_tokens": tokens, "enable_prefix_caching": [True, False]}
    return found | {
        "num_predict": output_limits(values["num_predict"]),
        "temperature": {"low": 0.0, "high": 1.0},
    }
