"""Kill `tune` at random moments, continue it each time, and count what is left behind.

    python -m bench.kills [--times 100] [--seed 0]

One study on the pretend engine is begun, killed by SIGINT, SIGTERM or SIGKILL after a random
time, and continued with --resume, again and again. After each kill no process that `tune`
started may be left, and every trial that was finished must still be there, unchanged.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
STUDY = (
    *("--engine", "fake", "--model", "--ttft-ms 5 --itl-ms 0.5 --prompt-us-per-token 1"),
    *("--target-p99", "300", "--budget", "30m"),
)
MARK = "TUNER_KILL_MARK"
LONGEST_S = 4.0
PROGRESS_S = 60.0
GONE_S = 15.0
"""How long a family may take to end: the engine's grace and the supervisor's own time."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: by which signal, what was finished before, and what went wrong."""

    number: signal.Signals
    after_s: float
    finished: int
    orphans: tuple[str, ...]
    lost: tuple[str, ...]


def kill_again_and_again(folder: Path, times: int, seed: int) -> list[Kill]:
    """Begin a study in `folder`, kill it so many times, and continue it after each."""
    rng, kills = random.Random(seed), []
    for _ in range(times):
        before = finished(folder)
        mark = uuid.uuid4().hex
        number, after_s = rng.choice(SIGNALS), rng.uniform(0.1, LONGEST_S)
        with start(folder, mark) as running:
            time.sleep(after_s)
            if len(kills) % 2:  # every other one does not end before it got anywhere
                _wait_for_progress(folder, len(before), running)
            running.send_signal(number)
            running.wait(GONE_S)
        orphans = left_behind(mark)
        now = finished(folder)
        lost = tuple(name for name, content in before.items() if now.get(name) != content)
        kills.append(Kill(number, after_s, len(now), orphans, lost))
    return kills


def start(folder: Path, mark: str, *more: str) -> subprocess.Popen[bytes]:
    """Start `tune run` into a folder, continuing what is there; its family carries `mark`."""
    resume = ("--resume",) if (folder / "run.json").exists() else ()
    command = (sys.executable, "-m", "tuner", "run", *STUDY, "--out", str(folder), *resume, *more)
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env={**os.environ, MARK: mark}, stdout=quiet, stderr=quiet)


def _wait_for_progress(folder: Path, so_far: int, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PROGRESS_S
    while len(finished(folder)) <= so_far and time.monotonic() < deadline:
        if running.poll() is not None:
            raise SystemExit(f"tune ended by itself with exit code {running.returncode}")
        time.sleep(0.01)


def left_behind(mark: str) -> tuple[str, ...]:
    """Return the processes that still carry the mark when they had time to end."""
    deadline = time.monotonic() + GONE_S
    while (found := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in found:
        process.kill()
    return tuple(str(p) for p in found)


def _marked(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def finished(folder: Path) -> dict[str, bytes]:
    """Return the samples of each finished trial by its name."""
    trials = folder / "trials"
    if not trials.exists():
        return {}
    return {
        f.name: (f / "samples.jsonl").read_bytes()
        for f in trials.iterdir()
        if not f.name.startswith(".")
    }


def main() -> None:
    """Kill, continue, and print what was left behind; exit with 1 where anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kills = kill_again_and_again(Path(folder) / "run", given.times, given.seed)
    print("| signal | kills | orphans | lost trials |\n|---|---|---|---|")
    for number in SIGNALS:
        some = [k for k in kills if k.number == number]
        orphans, lost = sum(len(k.orphans) for k in some), sum(len(k.lost) for k in some)
        print(f"| {number.name} | {len(some)} | {orphans} | {lost} |")
    print(f"\n{kills[-1].finished} trials were finished between {len(kills)} kills.")
    sys.exit(any(k.orphans or k.lost for k in kills))


if __name__ == "__main__":
    main()
