"""Record a table of configurations of the real embedded engine, for a simulated world.

    python -m bench.grid [OUT.json]        about ten minutes on a quiet machine

Every configuration answers the same twenty templates, as a screening trial does. Rows are
measured in an order that keeps restarts few; the machine's drift is therefore in the table,
as it is in a real search.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuner.engines.registry import create
from tuner.search.budget import LEAST_LOOK
from tuner.spec.shipped import studies
from tuner.spec.study import Study, load
from tuner.spec.values import Candidate, Sample
from tuner.spec.workload import Supply
from tuner.workflow.candidates import baseline
from tuner.workflow.environment import environment
from tuner.workflow.session import Session
from tuner.workflow.trial_folder import Place

GRID = {
    "num_batch": (64, 256, 512),
    "system": ("none", "full"),
    "shots": (1, 2, 3, 4, 5),
    "temperature": (0.0, 0.7),
}
LIMIT = 64
"""Output tokens: long enough for nearly all answers; shorter limits follow from the rows."""

RECORDED = Path(__file__).parent / "recorded" / "grid.json"


def candidates(base: Candidate) -> Iterator[Candidate]:
    """Yield the grid's candidates, those of one engine start side by side."""
    for values in itertools.product(*GRID.values()):
        yield {**base, "num_predict": LIMIT, **dict(zip(GRID, values, strict=True))}


async def record(study: Study, out: Path) -> dict[str, Any]:
    """Measure the grid and return it as the document that `bench.worlds` reads."""
    engine = create(study, out / "engine")
    session = Session(study, engine, out, math.inf)
    supply = Supply(study.workload, held_out=False, seed=study.seed)
    rows, version = [], None
    try:
        for number, candidate in enumerate(candidates(baseline(study, engine))):
            measured = await session.measure(
                candidate, supply.prompts(number), f"{number:04d}", Place("grid", number),
                n=LEAST_LOOK,
            )  # fmt: skip
            version = measured.effective.version if measured.effective else version
            shown = {name: candidate[name] for name in GRID}
            rows.append(
                {
                    "candidate": shown,
                    "memory_bytes": measured.memory_bytes,
                    "samples": [_short(s) for s in measured.kept],
                }
            )
            print(number, shown, measured.failed or "", file=sys.stderr, flush=True)
    finally:
        await session.aclose()
    return {
        "schema": "tuner.grid/1",
        "environment": environment(engine, version),
        "knobs": list(GRID),
        "limit": LIMIT,
        "rows": rows,
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


def main() -> None:
    """Record the grid into the file that is named, or bench/recorded/grid.json."""
    target = (
        Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "recorded/grid.json"
    )
    study = load(studies() / "task-api.yaml")
    with tempfile.TemporaryDirectory() as folder:
        document = asyncio.run(record(study, Path(folder) / "grid"))
    target.write_text(as_text(document), encoding="utf-8")


if __name__ == "__main__":
    main()
