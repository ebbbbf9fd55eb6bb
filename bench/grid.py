"""Record a table of configurations of a real engine, for a simulated world.

    python -m bench.grid NAME [OUT.json] [--model FOLDER] [--vllm-python PATH]

About ten minutes on a quiet machine, an hour for vLLM. NAME is one of TABLES. An Ollama is found as
`tune` finds it: the program in PATH, its models in OLLAMA_MODELS; both must be of the generation
that the table is for. vLLM and its model are named. Every configuration answers
the same twenty templates, as a screening trial does. Rows are measured in an order that keeps
restarts few; the machine's drift is therefore in the table, as it is in a real search.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tuner.cli.asked_study import overridden
from tuner.engines.base import Engine
from tuner.engines.registry import create
from tuner.evaluate.measured import Measured
from tuner.search.budget import LEAST_LOOK
from tuner.spec.requests.workload import Supply
from tuner.spec.shipped import studies
from tuner.spec.study import Study, load
from tuner.spec.values import Candidate, Sample, Setting
from tuner.store.trial_folder import Place
from tuner.workflow.measuring.candidates import all_knobs, baseline
from tuner.workflow.measuring.environment import environment
from tuner.workflow.measuring.session import Session
from tuner.workflow.measuring.trial_spec import TrialSpec

RECORDED = Path(__file__).parent / "recorded"

LIMIT = 64
"""Output tokens: long enough for nearly all answers; shorter limits follow from the rows."""


@dataclass(frozen=True, slots=True)
class Table:
    """What is recorded: a packaged study, the values of each knob, dear knobs first.

    `baseline` is where a search of this table begins; `fixed` settings hold in all rows.
    `concurrency` requests are in flight, of which none has more than `limit` output tokens.
    """

    file: str
    study: str
    knobs: Mapping[str, tuple[Setting, ...]]
    baseline: Candidate
    fixed: Candidate = field(default_factory=dict)
    concurrency: int = 1
    limit: int = LIMIT


TABLES = {
    "embedded": Table(
        "grid.json", "task-api.yaml",
        {"num_batch": (64, 256, 512), "system": ("none", "full"), "shots": (1, 2, 3, 4, 5),
         "temperature": (0.0, 0.7)},
        {"num_batch": 256, "system": "full", "shots": 3, "temperature": 0.7},
    ),
    "embedded-formats": Table(
        "grid-embedded-formats.json", "task-api.yaml",
        {"num_batch": (64, 512), "system": ("none", "compact", "full"), "shots": (0, 2, 4),
         "format": ("none", "schema")},
        {"num_batch": 64, "system": "full", "shots": 4, "format": "none"},
        {"temperature": 0.0},
    ),
    "ollama-0.11": Table(
        "grid-ollama-0.11.json", "task-api-ollama.yaml",
        {"cpu_scheduling": ("other", "batch"), "num_batch": (64, 512), "system": ("none", "full"),
         "shots": (1, 3), "repeat_penalty": (1.0, 1.1)},
        {"cpu_scheduling": "other", "num_batch": 512, "system": "full", "shots": 3,
         "repeat_penalty": 1.1},
        {"temperature": 0.0},
    ),
    "ollama-0.33": Table(
        "grid-ollama-0.33.json", "task-api-ollama.yaml",
        {"huge_pages": ("auto", "on"), "num_batch": (64, 512), "system": ("none", "full"),
         "shots": (1, 3), "format": ("json", "schema")},
        {"huge_pages": "auto", "num_batch": 512, "system": "full", "shots": 3, "format": "json"},
        {"temperature": 0.0},
    ),
    "vllm": Table(
        "grid-vllm.json", "task-api-vllm.yaml",
        {"max_num_seqs": (2, 4), "max_num_batched_tokens": (256, 512, 2048),
         "enable_prefix_caching": (False, True), "system": ("none", "full"), "shots": (1, 2, 3)},
        {"max_num_seqs": 2, "max_num_batched_tokens": 2048, "enable_prefix_caching": True,
         "system": "full", "shots": 3},
        {"temperature": 0.0, "format": "json", "max_model_len": 2048,
         "kv_cache_memory_bytes": 2**30, "cpu_reserved_cores": 0},
        concurrency=4, limit=48,
    ),
}  # fmt: skip


def candidates(table: Table, base: Candidate) -> Iterator[Candidate]:
    """Yield the table's candidates, those of one engine start side by side."""
    for values in itertools.product(*table.knobs.values()):
        chosen = dict(zip(table.knobs, values, strict=True))
        yield {**base, **table.fixed, "num_predict": table.limit, **chosen}


async def record(table: Table, study: Study, engine: Engine, out: Path) -> dict[str, Any]:
    """Measure a table and return it as the document that `bench.worlds` reads."""
    session = Session(study, engine, out, math.inf)
    supply = Supply(study.workload, held_out=False, seed=study.seed)
    rows = []
    try:
        for number, candidate in enumerate(candidates(table, baseline(study, engine))):
            before_s = session.spent.restarting_s
            name, place = f"{number:04d}", Place("grid", number)
            spec = TrialSpec(name, place, supply.prompts(number), LEAST_LOOK)
            measured = await session.measure(candidate, spec)
            shown = {name: candidate[name] for name in table.knobs}
            rows.append(_row(shown, measured, session.spent.restarting_s - before_s))
            print(number, shown, measured.failed or "", file=sys.stderr, flush=True)
    finally:
        await session.aclose()
    knobs = all_knobs(engine)
    return {
        "schema": "tuner.grid/1",
        "environment": _without_path(environment(engine, session.version)),
        "study": study.name,
        "knobs": list(table.knobs),
        "tiers": {name: knobs[name].tier for name in table.knobs},
        "baseline": table.baseline,
        "fixed": table.fixed,
        "limit": table.limit,
        "concurrency": table.concurrency,
        "rows": rows,
    }


def _without_path(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return an environment that names a model's folder without saying where it lies."""
    return {**found, "model": Path(str(found["model"])).name}


def _row(shown: Candidate, measured: Measured, start_s: float) -> dict[str, Any]:
    effective = measured.effective
    start = asdict(effective.start) if effective and effective.start else {}
    return {
        "candidate": shown,
        "changed": effective.changed if effective else None,
        "start_s": round(start_s, 3),
        **({"start": start["kind"], "compiled": start["compiled"]} if start else {}),
        "memory_bytes": measured.memory_bytes,
        "samples": [_short(s) for s in measured.counted],
    }


def _short(sample: Sample) -> dict[str, Any]:
    return {
        "e2e_s": round(sample.latency_s("e2e"), 5),
        "ttft_s": round(sample.latency_s("ttft"), 5),
        "tokens": sample.output_tokens,
        "guard": sample.guard,
    }


def as_text(document: dict[str, Any]) -> str:
    """Return the document as JSON with a row a line, so that a difference can be read."""
    head = {k: v for k, v in document.items() if k != "rows"}
    rows = ",\n".join(json.dumps(row) for row in document["rows"])
    return json.dumps(head)[:-1] + ', "rows": [\n' + rows + "\n]}\n"


def study_of(table: Table, model: str | None, python: str | None) -> Study:
    """Return the table's study, at its load, with what the command line names."""
    study = overridden(load(studies() / table.study), model=model, engine_python=python)
    at_once = replace(study.workload.load, concurrency=table.concurrency)
    return replace(study, workload=replace(study.workload, load=at_once))


def main() -> None:
    """Record a table into the file that is named, or its own below bench/recorded."""
    parser = argparse.ArgumentParser("python -m bench.grid", description="Record a table.")
    parser.add_argument("table", choices=list(TABLES))
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--vllm-python")
    given = parser.parse_args()
    table = TABLES[given.table]
    study = study_of(table, given.model, given.vllm_python)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "grid"
        document = asyncio.run(record(table, study, create(study, out / "engine"), out))
    target = given.out or RECORDED / table.file
    target.write_text(as_text(document), encoding="utf-8")


if __name__ == "__main__":
    main()
