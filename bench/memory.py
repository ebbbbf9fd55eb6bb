"""The estimate of vLLM's memory against what servers said as they started.

    python -m bench.memory

The runs are recorded in bench/recorded/vllm-memory.json, which names their source and licence.
What no formula gives (`activation.Measured`) is fitted on them; so each model's rows are estimated
with what all other models give, and a last table says what a model's own first log corrects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from types import MappingProxyType
from typing import Any

from tuner.engines.vllm.memory.activation import GIB, MEASURED, Measured
from tuner.engines.vllm.memory.estimate import MemoryEstimate, Settings, corrected, estimate
from tuner.engines.vllm.memory.kv_cache import VALUE_BYTES
from tuner.engines.vllm.memory.model_config import ModelFacts, read_facts
from tuner.engines.vllm.memory.weights import Weights

RECORDED = Path(__file__).parent / "recorded" / "vllm-memory.json"

NOTHING = Measured(0.0, 0.0, MappingProxyType({1: 0.0}), 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Run:
    """A start: the model, its settings, and what the log said in GiB."""

    model: str
    facts: ModelFacts
    weights: Weights
    settings: Settings
    gpu_bytes: int
    said: dict[str, Any]

    @property
    def family(self) -> tuple[int, ...]:
        """Return what models of one shape share, however they are quantized or named."""
        return (self.facts.layers, self.facts.hidden, self.facts.width)

    def estimated(self, measured: Measured) -> MemoryEstimate:
        """Return the estimate before the start."""
        return estimate(self.facts, self.weights, self.settings, self.gpu_bytes, measured)


def read(path: Path = RECORDED) -> list[Run]:
    """Return the recorded runs."""
    document = json.loads(path.read_text(encoding="utf-8"))
    models = document["models"]
    return [_run(document, s["model"], models[s["model"]], s) for s in document["runs"]]


def other_versions(path: Path = RECORDED) -> list[Run]:
    """Return the starts of one model under other versions, which no fit has seen."""
    document = json.loads(path.read_text(encoding="utf-8"))
    model, said = document["versions"]["model"], document["versions"]["runs"]
    return [_run(document, f"vLLM {s['vllm']}", model, s) for s in said]


def _run(document: dict[str, Any], name: str, model: dict[str, Any], said: dict[str, Any]) -> Run:
    facts = read_facts(model["config"], name)
    assert facts is not None
    shared = document["settings"]
    settings = Settings(
        max_model_len=said.get("max_model_len", 8192),
        max_num_batched_tokens=shared["max_num_batched_tokens"],
        max_num_seqs=shared["max_num_seqs"],
        dtype=said.get("dtype", "auto"),
        quantization=said.get("quantization"),
        kv_cache_dtype=said.get("kv_cache_dtype", "auto"),
        tensor_parallel=said.get("tensor_parallel_size", 1),
        pipeline_parallel=said.get("pipeline_parallel_size", 1),
        gpu_memory_utilization=said.get("gpu_memory_utilization", 0.95),
        batches_in_flight=1,
        counts_graphs=shared["cuda_graphs_counted"],
        v1_runner=True,
    )
    weights = _weights(model["config"], facts, model["checkpoint_gib"])
    return Run(name, facts, weights, settings, int(document["device"]["total_gib"] * GIB), said)


def _weights(config: dict[str, Any], facts: ModelFacts, checkpoint_gib: float) -> Weights:
    """Return what the headers of the files say, from their size."""
    if facts.quantization is not None:
        return Weights(0, packed_bytes=checkpoint_gib * GIB)
    text = config.get("text_config", config)
    tied = text.get("tie_word_embeddings", text["model_type"].startswith("gemma"))
    table = facts.vocab * facts.hidden
    head = 0 if tied else table
    values = checkpoint_gib * GIB / VALUE_BYTES[facts.dtype or ""]
    return Weights(values - table - head, table, head)


def fitted(runs: Sequence[Run]) -> Measured:
    """Return the medians of what formulas leave over."""
    rest = _median(_left(r) for r in runs if not r.facts.multimodal)
    encoder = _median(_left(r) - rest for r in runs if r.facts.multimodal)
    one_stage = [r for r in runs if r.settings.pipeline_parallel == 1]
    sizes = sorted({r.settings.tensor_parallel for r in one_stage})
    return Measured(
        rest=rest,
        encoder=encoder,
        non_torch=MappingProxyType({n: _non_torch(one_stage, n) for n in sizes}),
        pipeline_non_torch=_median(
            (r.said["non_torch_gib"] for r in runs if r.settings.pipeline_parallel > 1), 0.07
        ),
        graphs=_median(
            r.said["graphs_estimated_gib"] for r in runs if r.said["graphs_estimated_gib"]
        ),
    )  # fmt: skip


def _non_torch(runs: Iterable[Run], gpus: int) -> float:
    return _median(r.said["non_torch_gib"] for r in runs if r.settings.tensor_parallel == gpus)


def _left(run: Run) -> float:
    computed = run.estimated(NOTHING).stages[0].activation
    assert computed is not None
    return float(run.said["activation_gib"]) - computed / GIB


def _median(values: Iterable[float], without: float = 0.0) -> float:
    found = list(values)
    return round(median(found), 2) if found else without


@dataclass(frozen=True, slots=True)
class Row:
    """What was estimated for a run beside what was said, in GiB and tokens."""

    run: Run
    estimated: dict[str, float]

    def error(self, part: str) -> float:
        """Return estimate / said - 1."""
        return self.estimated[part] / float(self.run.said[part]) - 1


PARTS = ("kv_cache_gib", "kv_cache_tokens", "max_concurrency", "weights_gib", "activation_gib",
         "non_torch_gib")  # fmt: skip


def row(run: Run, found: MemoryEstimate) -> Row:
    """Return the parts of an estimate by the names under which logs are recorded."""
    first = found.stages[0]
    parts = (first.kv_cache, found.kv_tokens, found.concurrency, first.weights, first.activation,
             first.non_torch)  # fmt: skip
    values = {}
    for name, value in zip(PARTS, parts, strict=True):
        assert value is not None
        values[name] = value / GIB if name.endswith("_gib") else value
    return Row(run, values)


def held_out(runs: Sequence[Run]) -> list[Row]:
    """Return each run estimated with what the runs of other families give."""
    others = {f: fitted([r for r in runs if r.family != f]) for f in {r.family for r in runs}}
    return [row(r, r.estimated(others[r.family])) for r in runs]


def after_first_log(runs: Sequence[Run]) -> list[tuple[Row, Row]]:
    """Return later runs of a model before and after its first log has corrected them."""
    others = {f: fitted([r for r in runs if r.family != f]) for f in {r.family for r in runs}}
    first: dict[Any, Run] = {}
    pairs = []
    for run in runs:
        measured, same = others[run.family], _alike(run)
        plain = run.estimated(measured)
        if same in first:
            old = first[same]
            logged = float(old.said["kv_cache_gib"]) * GIB
            better = corrected(plain, old.estimated(measured), logged)
            pairs.append((row(run, plain), row(run, better)))
        first.setdefault(same, run)
    return pairs


def _alike(run: Run) -> tuple[Any, ...]:
    """Return what must agree for a log to correct an estimate."""
    s = run.settings
    return (run.model, s.dtype.replace("auto", run.facts.dtype or ""), s.quantization,
            s.tensor_parallel, s.pipeline_parallel)  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """Return estimate, log and error of each run as a Markdown table."""
    lines = [
        "| model | TP/PP | length | dtype, quantization, KV | KV GiB: log | estimate | error |"
        " tokens | weights | activation |",
        "|---|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for r in rows:
        s, said = r.run.settings, r.run.said
        kinds = ", ".join(x or "-" for x in (s.dtype, s.quantization, s.kv_cache_dtype))
        errors = (r.error(p) for p in ("kv_cache_tokens", "weights_gib", "activation_gib"))
        lines.append(
            f"| {r.run.model} | {s.tensor_parallel}/{s.pipeline_parallel} | {s.max_model_len} "
            f"| {kinds} | {said['kv_cache_gib']:.2f} | {r.estimated['kv_cache_gib']:.2f} "
            f"| {r.error('kv_cache_gib'):+.2%} | " + " | ".join(f"{e:+.2%}" for e in errors) + " |"
        )
    return "\n".join(lines)


def summary(rows: Sequence[Row]) -> str:
    """Return the mean absolute error of each part as a Markdown table."""
    groups: dict[str, Callable[[Row], bool]] = {
        "all": lambda r: True,
        "one GPU": lambda r: r.run.settings.tensor_parallel * r.run.settings.pipeline_parallel == 1,
        "several GPUs": lambda r: (
            r.run.settings.tensor_parallel * r.run.settings.pipeline_parallel > 1
        ),
        "with experts": lambda r: r.run.facts.expert_width is not None,
        "with images": lambda r: r.run.facts.multimodal,
        "less than 5 GiB of cache": lambda r: r.run.said["kv_cache_gib"] < 5,
    }
    names = [p.removesuffix("_gib").replace("_", " ") for p in PARTS]
    lines = ["| runs | n | " + " | ".join(names) + " |", "|---|---:|" + "---:|" * len(PARTS)]
    for name, belongs in groups.items():
        some = [r for r in rows if belongs(r)]
        cells = [f"{fmean(abs(r.error(p)) for r in some):.2%}" for p in PARTS]
        lines.append(f"| {name} | {len(some)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _with_graphs(rows: Sequence[Row]) -> list[float]:
    """Return errors of the cache had each server taken off the graphs that it estimated."""
    errors = []
    for r in rows:
        if (graphs := r.run.said["graphs_estimated_gib"]) is not None:
            said = r.run.said["kv_cache_gib"] - graphs
            errors.append(abs((r.estimated["kv_cache_gib"] - MEASURED.graphs) / said - 1))
    return errors


def versions(measured: Measured) -> str:
    """Return the errors under other versions of vLLM, with what 0.19.0 gives."""
    lines = [
        "| Qwen3-14B under | activation GiB: log | estimate | KV GiB: log | estimate | error |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for run in other_versions():
        first = run.estimated(measured).stages[0]
        activation, kv = (first.activation or 0) / GIB, (first.kv_cache or 0) / GIB
        said = run.said
        lines.append(
            f"| {run.model} | {said['activation_gib']:.2f} | {activation:.2f} "
            f"| {said['kv_cache_gib']:.2f} | {kv:.2f} | {kv / said['kv_cache_gib'] - 1:+.2%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    runs = read()
    rows, pairs = held_out(runs), after_first_log(runs)
    families = len({r.family for r in runs})
    print(f"## Memory of vLLM 0.19.0 on an H100: {len(rows)} starts, {families} model shapes\n")
    print(f"{table(rows)}\n\nMean absolute errors, each shape estimated from the others:\n")
    print(summary(rows))
    shapes = [
        fmean(abs(r.error("kv_cache_gib")) for r in rows if r.run.family == family)
        for family in sorted({r.run.family for r in rows})
    ]
    print(f"\nKV cache, mean over shapes: {fmean(shapes):.2%}, the worst {max(shapes):.2%}.")
    errors = [[abs(r.error("kv_cache_gib")) for r in side] for side in zip(*pairs, strict=True)]
    print(
        f"\nKV cache of {len(pairs)} later starts of a model: {fmean(errors[0]):.2%}, and "
        f"{fmean(errors[1]):.2%} once its first log has corrected the estimate."
    )
    graphs = _with_graphs(rows)
    print(
        f"\nKV cache with CUDA graphs taken off, as since vLLM 0.21: {fmean(graphs):.2%}, "
        f"{median(graphs):.2%} in the median."
    )
    print(f"\n{versions(fitted(runs))}")
    print(f"\nFitted on all: {fitted(runs)}")


if __name__ == "__main__":
    main()
