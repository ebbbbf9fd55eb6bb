"""`make bench`: the demo's numbers, and the error rates of the certificate by simulation.

    python -m bench [RESULT.json ...] [--draws N]

Without files it prints the newest demo run below out/task-api, and the recorded ones that
docs/results/packaged-study.md quotes (bench/recorded/demo-*.json; each names its machine and date).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench import certificate, operating

RECORDED = Path(__file__).parent / "recorded"
LATEST = Path("out/task-api/latest/result.json")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("results", nargs="*", type=Path)
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = given.results or [
        p for p in (LATEST, *sorted(RECORDED.glob("demo-*.json"))) if p.exists()
    ]
    print("## Demo: baseline and best\n")
    print("\n".join(demo_table(found)) if found else "No run yet: `make demo` makes one.")
    print("\n## Certificate\n")
    print(operating.tables(certificate.run(given.draws, given.seed)))


def demo_table(paths: list[Path]) -> list[str]:
    """Return the lines of a Markdown table with a row for each side of each run."""
    head = (
        "| run | side | verdict | n (starts) | e2e p50 ms | e2e p99 ms | valid % | correct % |"
        " engine busy |"
    )
    lines = [head, "|---|---|---|---|---|---|---|---|---|"]
    for path in paths:
        result = json.loads(path.read_text(encoding="utf-8"))
        busy = result["spent"]["engine_busy_s"] / result["spent"]["seconds"]
        for side in ("baseline", "best"):
            if result[side]:
                lines.append(_row(_name(path, result), side, result[side], busy))
    return lines


def _name(path: Path, result: dict[str, Any]) -> str:
    place = path.stem if path.parent == RECORDED else "newest run"
    return f"{place}, seed {result['seed']}, {result['environment']['cpu']}"


def _row(name: str, side: str, measured: dict[str, Any], busy: float) -> str:
    quantiles, guard = measured["e2e"]["quantiles"], measured["guard"]
    verdict = ", ".join(v["verdict"] for v in measured["verdicts"])
    cells = [
        name,
        side,
        f"SLO {verdict}; guard {guard['verdict']}",
        f"{measured['n']} ({measured['engine_starts']})",
        _bound(quantiles["0.5"], 1000, 0),
        _bound(quantiles["0.99"], 1000, 0),
        _bound(guard["valid"], 100, 1),
        _bound(guard["correct"], 100, 1),
        f"{busy:.0%}",
    ]
    return "| " + " | ".join(cells) + " |"


def _bound(bound: dict[str, float | None], scale: float, digits: int) -> str:
    def text(value: float | None) -> str:
        return "?" if value is None else f"{value * scale:.{digits}f}"

    return f"{text(bound['value'])} [{text(bound['low'])}, {text(bound['high'])}]"


if __name__ == "__main__":
    main()
