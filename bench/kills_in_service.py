"""Kill `tune apply` at random moments with SIGKILL, repair, and see what serves each time.

    python -m bench.kills_in_service [--times 200] [--seed 0] [--out FILE]

A result goes into service in a folder of files, from which a real server is started anew. From the
moment at which it touches that folder it is killed after a random time. What has the name then
must be the old version or the new one, each file as it was made, and so must be what answers once
the next `tune` has repaired. With `--out` every kill is recorded.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import get_args

from tests.engines.files.server import Production, production
from tests.workflow.service import folder
from tuner.store.state_folder import state_folder
from tuner.workflow.service.journal import Journal, Promotion, Step, locked
from tuner.workflow.service.repair import repair
from tuner.workflow.service.way_back import go_back, last_kept

WORDS = ("apply", "r", "--name", folder.NAME, "--yes", "--requests", "5")
WHOLE = OLD, NEW, LOST = "incumbent", "challenger", "lost"
LEFT = ("incumbent whole", "challenger whole", "neither")
REPAIRED = tuple(f"{what}, repaired" for what in LEFT)
STEPS: Sequence[Step] = get_args(Step)
MOST_S = 60.0


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill, so many seconds after the folder was touched first.

    `step` is the last one that had been written down, None for none. `left` is what had the name
    then, and `repaired` what had it and answered after the repair.
    """

    after_s: float
    step: str | None
    left: str
    repaired: str


def kill_again_and_again(where: Path, times: int, seed: int) -> list[Kill]:
    """Apply a result in `where`, kill it and repair, so many times."""
    rng, kills = random.Random(seed), []
    with production(where, "--ttft-ms", "1", "--itl-ms", "0.1") as there:
        folder.study(where, there)
        folder.result(where / "r", "new")
        folder.incumbent(there, where / "o")
        life_s = _life_s(there, where)
        for _ in range(times):
            kills.append(_killed(there, where, rng.uniform(0, life_s)))
    return kills


def _life_s(there: Production, where: Path) -> float:
    """Return how long an apply goes on after it touched the folder; what it did is taken back."""
    with _begun(there, where) as running:
        began = time.monotonic()
        running.wait(MOST_S)
        took = time.monotonic() - began
    _bring_back(there)
    return took


def _killed(there: Production, where: Path, after_s: float) -> Kill:
    before = len(_promotions())
    with _begun(there, where) as running:
        time.sleep(after_s)
        running.kill()
    made = _promotions()[before:]
    step = made[-1].steps[-1] if made else None
    left = has_the_name(there)
    with locked(folder.deployment(there)) as journal:
        repair(folder.deployment(there), journal)
    repaired = has_the_name(there)
    answers = {"old": OLD, "new": NEW}.get(there.serves() or "", LOST)
    kill = Kill(after_s, step, left, repaired if answers == repaired else LOST)
    _bring_back(there)
    return kill


def _begun(there: Production, where: Path) -> subprocess.Popen[bytes]:
    """Start an apply, and return it at the moment at which it touches the folder."""
    versions = there.folder / "versions"
    before = set(versions.iterdir())
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", "tuner", *WORDS]
    running = subprocess.Popen(command, cwd=where, stdout=quiet, stderr=quiet)
    deadline = time.monotonic() + MOST_S
    while set(versions.iterdir()) == before:
        if running.poll() is not None or time.monotonic() > deadline:
            running.kill()
            raise SystemExit(f"tune apply ended before it began ({running.wait()})")
        time.sleep(0.001)
    return running


def has_the_name(there: Production) -> str:
    """Return which version has the name, whole; `lost` for anything else."""
    name = folder.deployment(there)
    serves = name.current()
    if serves is None or name.edited(serves):
        return LOST
    return NEW if '"new"' in name.text() else OLD if '"old"' in name.text() else LOST


def _promotions() -> Sequence[Promotion]:
    (path,) = state_folder().glob("*.jsonl")
    return Journal(path).promotions()


def _bring_back(there: Production) -> None:
    """Let the old version serve again."""
    name = folder.deployment(there)
    with locked(name) as journal:
        if has_the_name(there) == NEW:
            go_back(name, journal, last_kept(name, journal), datetime.now())


def table(kills: Sequence[Kill]) -> str:
    """Return how often what had the name by the last step that was written down."""
    lines = ["| last step | kills | " + " | ".join(LEFT) + " | " + " | ".join(REPAIRED) + " |"]
    lines.append("|---" * (2 + len(LEFT) + len(REPAIRED)) + "|")
    by_step = [
        (s or "none yet", [k for k in kills if k.step == s]) for s in (None, *get_args(Step))
    ]
    for name, some in [*by_step, ("all", kills)]:
        left, repaired = Counter(k.left for k in some), Counter(k.repaired for k in some)
        counts = [len(some), *(left[w] for w in WHOLE), *(repaired[w] for w in WHOLE)]
        if some:
            lines.append(f"| {name} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def main() -> None:
    """Kill, repair, and print what served; exit with 1 where anything was lost."""
    parser = argparse.ArgumentParser("python -m bench.kills_in_service", description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as where:
        os.environ["XDG_STATE_HOME"] = f"{where}/state"
        kills = kill_again_and_again(Path(where), given.times, given.seed)
    if given.out:
        rows = ",\n".join(json.dumps(asdict(k)) for k in kills)
        head = f'{{"date": "{date.today()}", "seed": {given.seed}, "kills": [\n'
        given.out.write_text(f"{head}{rows}\n]}}\n", encoding="utf-8")
    print(table(kills))
    sys.exit(any(LOST in (k.left, k.repaired) for k in kills))


if __name__ == "__main__":
    main()
